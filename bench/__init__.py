"""Speed, beside PgBouncer and beside no proxy at all: ``python -m bench``.

The words used here:

subject
    What a load is sent to: ``direct`` (PostgreSQL itself), ``pgbouncer``
    (transaction pooling), ``pinwatch``, or a command given with ``--also``.
case
    One load: a protocol, a number of clients, plain or TLS. See `bench.cases`.
round
    Every subject has its turn at the case, in a changing order, so that a slow
    minute of the machine falls on all of them alike.
turn
    One load of one subject. Where something else took more than a tenth of a core from
    it, the host of a virtual machine included, it is run again, three times at most,
    and the quietest counts.
reading
    What one subject showed in one round: a mapping from metric to number. See
    `bench.metrics` for the metrics and their units.
spread
    Half the distance between the best and the worst round, as a share of the
    median: what the machine does by itself.
ratio
    The median over the rounds of a subject's reading divided by PgBouncer's reading
    of the same round.

Load generator, proxy and server share the machine's cores. With fewer cores than
busy processes a proxy that uses less CPU also leaves more to the other two, so
transactions a second tell of the whole machine and CPU per transaction of the proxy
alone.
"""
