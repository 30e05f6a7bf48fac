"""Benchmarks against PgBouncer and against no proxy: ``python -m bench``.

Terms:

subject
    A receiver of a load: ``direct`` (PostgreSQL itself), ``pgbouncer``
    (transaction pooling), ``pinwatch``, or a command given with ``--also``.
case
    One load: a protocol, a number of clients, plain or TLS. See `bench.cases`.
round
    One turn of every subject at the case. The order changes from round to round, so
    that a slow minute of the machine affects all subjects alike.
turn
    One load of one subject. If other work, including the host's of a virtual machine,
    used more than a tenth of a core, the turn runs again, up to three times in all,
    and the one with the least other work counts.
reading
    The result of one subject in one round: a mapping from metric to number. See
    `bench.metrics` for the metrics and their units.
spread
    Half the distance between the best and the worst round, as a share of the
    median: the noise of the machine.
ratio
    The median over the rounds of a subject's reading divided by PgBouncer's reading
    of the same round.

Load generator, proxy and server share the machine's cores. With fewer cores than
busy processes a proxy that uses less CPU also leaves more to the other two. So
transactions per second measure the whole machine; CPU per transaction measures the
proxy alone.
"""
