"""Idle database connections are released, so that a database can be dropped."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from pinwatch.events import DatabaseConnected, DatabaseInUse
from pinwatch.observers.log import describe
from tests.harness import Postgres, RunningProxy, eventually
from tests.live.conftest import Serve
from tests.wireclient import SYNC, TERMINATE, WireClient, bind, execute, parse, query

IN_USE = "55006"
BUSY = 'database "{}" is being accessed by other users'


@contextmanager
def databases(postgres: Postgres, *names: str) -> Iterator[None]:
    """Databases of these names, which may be gone or renamed at the end."""
    with closing(postgres.connect()) as direct:
        for name in names:
            direct.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            direct.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield
        finally:
            for name in (*names, "other"):
                sql = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
                direct.execute(sql.encode())


def client(proxy: RunningProxy, database: str, user: str | None = None) -> WireClient:
    return WireClient.login(proxy.endpoint(user, database))


def use(proxy: RunningProxy, database: str, user: str | None = None) -> None:
    """Leave an idle connection to database behind."""
    with client(proxy, database, user) as used:
        assert used.query("SELECT current_database()").value == database
        used.leave()


def exists(postgres: Postgres, database: str) -> bool:
    with closing(postgres.connect()) as direct:
        sql = "SELECT 1 FROM pg_database WHERE datname = %s"
        return direct.execute(sql, [database]).fetchone() is not None


def idle(proxy: RunningProxy, database: str) -> int:
    lists = proxy.proxy.pool.idle.items()
    return sum(len(found) for key, found in lists if key[1] == database.encode())


class TestRelease:
    def test_of_one_database(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5).proxy
        with databases(postgres, "dropped", "kept"):
            use(proxy, "dropped")
            use(proxy, "kept")
            assert proxy.run(proxy.proxy.release("dropped")) == 1
            assert (idle(proxy, "dropped"), idle(proxy, "kept")) == (0, 1)
            with closing(postgres.connect()) as direct:
                direct.execute("DROP DATABASE dropped")

    def test_of_all(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5).proxy
        with databases(postgres, "dropped", "kept"):
            use(proxy, "dropped")
            use(proxy, "kept")
            opened = len(proxy.happened(DatabaseConnected))
            assert proxy.run(proxy.proxy.release()) == opened == 2
            assert not len(proxy.proxy.pool)

    def test_of_every_user(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5).proxy
        with databases(postgres, "dropped"), closing(postgres.connect()) as direct:
            direct.execute("CREATE ROLE releaser LOGIN")
            use(proxy, "dropped")
            use(proxy, "dropped", "releaser")
            assert proxy.run(proxy.proxy.release("dropped")) == 2
            direct.execute("DROP DATABASE dropped")
            direct.execute("DROP ROLE releaser")

    def test_what_is_reset_counts(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5).proxy
        with databases(postgres, "dropped"), closing(postgres.connect()) as direct:
            with client(proxy, "dropped") as pinned:
                pinned.query("LISTEN jobs")
                pinned.leave()
            eventually(lambda: not proxy.clients)
            assert proxy.run(proxy.proxy.release("dropped")) == 1
            direct.execute("DROP DATABASE dropped")

    def test_what_a_client_holds_stays(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5).proxy
        with databases(postgres, "held"), client(proxy, "held") as holder:
            holder.query("BEGIN")
            use(proxy, "held")
            assert proxy.run(proxy.proxy.release("held")) == 1
            assert holder.query("COMMIT").tags == ["COMMIT"]
            assert proxy.run(proxy.proxy.release("held")) == 1
            assert holder.query("SELECT 1").value == "1"

    def test_of_none(self, serve: Serve) -> None:
        clients = serve(1)
        proxy = clients.proxy
        proxy.run(proxy.proxy.release())
        assert proxy.run(proxy.proxy.release()) == 0
        assert clients().query("SELECT 1").value == "1"


class TestReleaseOnDdl:
    """Each statement fails after five seconds where a connection is left."""

    STATEMENTS = (
        "DROP DATABASE dropped",
        "drop /* it */ database if exists DROPPED with (force)",
        "ALTER DATABASE dropped RENAME TO other",
        "CREATE DATABASE other TEMPLATE dropped",
        "CREATE DATABASE other WITH TEMPLATE = 'dropped' STRATEGY file_copy",
        "SELECT 1; ALTER DATABASE dropped RENAME TO other; SELECT 2",
    )

    @pytest.mark.parametrize("sql", STATEMENTS)
    def test_simple(self, serve: Serve, postgres: Postgres, sql: str) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "dropped"), client(proxy, "postgres") as admin:
            use(proxy, "dropped")
            assert admin.query(sql).errors == []
            assert idle(proxy, "dropped") == 0

    @pytest.mark.parametrize("sql", STATEMENTS[:-1])
    @pytest.mark.parametrize("name", ["", "named"])
    def test_extended(
        self, serve: Serve, postgres: Postgres, sql: str, name: str
    ) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "dropped"), client(proxy, "postgres") as admin:
            admin.ask(parse(name, sql), SYNC)
            use(proxy, "dropped")
            assert admin.ask(bind(name), execute(), SYNC).errors == []

    def test_in_one_batch(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        sql = "DROP DATABASE dropped"
        with databases(postgres, "dropped"), client(proxy, "postgres") as admin:
            use(proxy, "dropped")
            one = admin.ask(parse("", sql), bind(""), execute(), SYNC)
            assert one.tags == ["DROP DATABASE"]

    def test_a_prepared_statement_runs_again(
        self, serve: Serve, postgres: Postgres
    ) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "dropped"), client(proxy, "postgres") as admin:
            admin.ask(parse("s", "DROP DATABASE dropped"), SYNC)
            for _ in range(2):
                use(proxy, "dropped")
                assert admin.ask(bind("s"), execute(), SYNC).errors == []
                admin.query("CREATE DATABASE dropped")

    @pytest.mark.parametrize("name", ["Upper", "two words", 'a"b', "größe", "9"])
    def test_quoted_names(self, serve: Serve, postgres: Postgres, name: str) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        quoted = name.replace('"', '""')
        with databases(postgres, quoted), client(proxy, "postgres") as admin:
            use(proxy, name)
            assert admin.query(f'DROP DATABASE "{quoted}"').errors == []
            assert not exists(postgres, name)

    def test_template1_is_the_default_template(
        self, serve: Serve, postgres: Postgres
    ) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "dropped"), client(proxy, "postgres") as admin:
            use(proxy, "template1")
            assert admin.query("CREATE DATABASE other").errors == []

    def test_in_a_transaction(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "dropped"), client(proxy, "postgres") as admin:
            admin.query("BEGIN")
            use(proxy, "dropped")
            renamed = admin.query("ALTER DATABASE dropped RENAME TO other")
            assert renamed.errors == []
            admin.query("COMMIT")

    def test_several_in_one_pipeline(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "one", "two"), client(proxy, "postgres") as admin:
            use(proxy, "one")
            use(proxy, "two")
            admin.send(
                query("SELECT 1"),
                query("DROP DATABASE one"),
                query("DROP DATABASE two"),
                query("SELECT 2"),
            )
            replies = [admin.reply() for _ in range(4)]
            assert [reply.errors for reply in replies] == [[]] * 4
            assert (replies[0].value, replies[3].value) == ("1", "2")

    def test_before_a_terminate(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "dropped"):
            use(proxy, "dropped")
            with client(proxy, "postgres") as admin:
                admin.send(query("DROP DATABASE dropped"), TERMINATE)
                assert admin.rest().errors == []
            eventually(lambda: not exists(postgres, "dropped"))

    def test_with_swaps(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        proxy.proxy.pool.swap = True
        with databases(postgres, "dropped"), client(proxy, "postgres") as admin:
            with client(proxy, "dropped") as user:
                for _ in range(3):
                    user.query("SELECT 1")
                user.leave()
            assert admin.query("DROP DATABASE dropped").errors == []

    def test_a_client_that_leaves_meanwhile(
        self, serve: Serve, postgres: Postgres
    ) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "dropped"):
            for _ in range(3):
                use(proxy, "dropped")
                with client(proxy, "postgres") as admin:
                    admin.send(query("DROP DATABASE dropped"))
                    admin.vanish()
                eventually(lambda: not proxy.clients)
                if not exists(postgres, "dropped"):
                    break
            with client(proxy, "postgres") as other:
                assert other.query("SELECT 1").value == "1"

    def test_a_pinned_session_keeps_the_database(
        self, serve: Serve, postgres: Postgres
    ) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "held"), client(proxy, "postgres") as admin:
            with client(proxy, "held") as pinned:
                pinned.query("LISTEN jobs")
                use(proxy, "held")
                dropped = admin.query("DROP DATABASE held")
                assert dropped.errors == [("ERROR", IN_USE, BUSY.format("held"))]
                assert pinned.query("SELECT 1").value == "1"
            assert proxy.happened(DatabaseInUse) == []

    @pytest.mark.parametrize(
        "sql",
        [
            "ALTER DATABASE kept SET work_mem TO '5MB'",
            "ALTER DATABASE kept OWNER TO CURRENT_USER",
            "ALTER DATABASE kept WITH CONNECTION LIMIT 50",
            "SELECT 'DROP DATABASE kept'",
            "COMMENT ON DATABASE kept IS 'drop database kept'",
            "DROP DATABASE IF EXISTS kept_not",
        ],
    )
    def test_other_statements_release_nothing(
        self, serve: Serve, postgres: Postgres, sql: str
    ) -> None:
        proxy = serve(5, release_on_ddl=True).proxy
        with databases(postgres, "kept"), client(proxy, "postgres") as admin:
            use(proxy, "kept")
            assert admin.query(sql).errors == []
            assert idle(proxy, "kept") == 1

    def test_a_reload_switches_it(self, serve: Serve, postgres: Postgres) -> None:
        proxy = serve(5).proxy
        with databases(postgres, "dropped"), client(proxy, "postgres") as admin:
            settings = proxy.settings.model_copy(update={"release_on_ddl": True})
            assert proxy.run(proxy.proxy.reload(settings)) == []
            use(proxy, "dropped")
            assert admin.query("DROP DATABASE dropped").errors == []


def test_the_server_s_error_comes_with_a_hint(serve: Serve, postgres: Postgres) -> None:
    proxy = serve(5).proxy
    with databases(postgres, "two words"), client(proxy, "postgres") as admin:
        use(proxy, "two words")
        dropped = admin.query('DROP DATABASE "two words"')
        assert dropped.errors == [("ERROR", IN_USE, BUSY.format("two words"))]
        (event,) = eventually(lambda: proxy.happened(DatabaseInUse))
        assert describe(event)[1] == (
            "The database two words is in use by 1 idle connection of the pool. "
            "\"pinwatch release 'two words'\" closes it; with the setting "
            "release_on_ddl, pinwatch does so before such a statement."
        )
        assert proxy.run(proxy.proxy.release("two words")) == 1
        assert admin.query('DROP DATABASE "two words"').errors == []


def test_other_objects_in_use_come_without(serve: Serve, postgres: Postgres) -> None:
    proxy = serve(5).proxy
    with databases(postgres, "other"), client(proxy, "other") as here:
        use(proxy, "other")
        (error,) = here.query("DROP DATABASE other").errors
        assert error[1:] == (IN_USE, "cannot drop the currently open database")
        (error,) = here.query(
            "CREATE TABLE other (); BEGIN; DECLARE c CURSOR FOR SELECT * FROM other; "
            "DROP TABLE other"
        ).errors
        assert error[1] == IN_USE
    assert proxy.happened(DatabaseInUse) == []


def test_drop_fails_at_once_for_psycopg_no_more(
    serve: Serve, postgres: Postgres
) -> None:
    """A test runner creates a database, connects, leaves and drops it."""
    proxy = serve(5, release_on_ddl=True).proxy
    with databases(postgres, "dropped"):
        dsn = proxy.endpoint(database="dropped").dsn
        with psycopg.connect(dsn) as connection:
            connection.execute("SELECT 1")
        admin_dsn = proxy.endpoint(database="postgres").dsn
        with closing(psycopg.connect(admin_dsn, autocommit=True)) as admin:
            admin.execute("CREATE DATABASE other TEMPLATE dropped")
            admin.execute("DROP DATABASE other")
            admin.execute("DROP DATABASE dropped")
