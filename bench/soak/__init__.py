"""A soak: ``python -m bench.soak``; see its ``--help``.

Terms:

client
    One of many that connect to ``pinwatch up``, work and leave, for the whole run.
visit
    One connection of a client, from connecting to leaving or being lost. Its kind is
    drawn at random: see `bench.soak.visits` and `bench.soak.drivers`.
fault
    A failure that pinwatch injects, or a failover: see `bench.soak.faults`.
books
    What the clients sent and what was answered. At the end the database and the
    counters of pinwatch must agree with them: see `bench.soak.books`.
filling
    The first minutes, in which pinwatch's bounded stores (pins, digests, verdicts) are
    filled up to their limits, so that what is measured later is not their growth.
curve
    The memory of pinwatch's process, once a second. The judgement is the slope of a
    least-squares line through its last two thirds.
"""
