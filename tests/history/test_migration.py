"""Migrations: up and down with data in place, by several at once, and from strange schemas."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.history.records import make_record, read_all
from topfive.errors import HistoryRefused
from topfive.history import migration
from topfive.history.contract import GivenLabel, HistoryQuery
from topfive.history.database import Database, open_database
from topfive.history.kept import KeptHistory
from topfive.history.records import KeptPrediction, LabelSource
from topfive.history.schema import METADATA
from topfive.history.schema_state import revisions
from topfive.history.writing import write_records

RECORDS = [make_record(number) for number in range(5)]
OTHERS_TABLE = "CREATE TABLE predictions (lottery TEXT)"


@pytest.fixture
def history_url(empty_url: str) -> str:
    """The address of a database of this test alone, with the newest schema."""
    database = open_database(empty_url)
    migration.upgrade(database)
    database.close()
    return empty_url


def execute(database: Database, *statements: str) -> None:
    """Change a database as somebody else would."""
    with database.writing() as connection:
        for one in statements:
            connection.exec_driver_sql(one)


def test_migrations_make_the_tables_that_the_code_knows(empty_database: Database) -> None:
    """Step by step there come the same tables, columns and indexes that schema.py tells."""
    migration.upgrade(empty_database)
    with empty_database.reading() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "include_name": lambda name, *_: name != "topfive_schema"},
        )
        assert compare_metadata(context, METADATA) == []


def test_down_and_up_keep_the_predictions(database: Database, history: KeptHistory) -> None:
    """Down a step labels are lost; predictions stay, and can be labelled again."""
    write_records(database, RECORDS)
    label = GivenLabel(LabelSource.PERSON, class_id=1)
    history.set_label(RECORDS[0].id, label)
    assert migration.downgrade(database, "0001").revision == "0001"
    assert migration.upgrade(database).is_current
    assert len(read_all(history, HistoryQuery())) == len(RECORDS)
    assert history.find(RECORDS[0].id) == KeptPrediction(RECORDS[0])
    assert history.set_label(RECORDS[0].id, label).label is not None


def test_up_a_step_keeps_the_predictions(empty_database: Database) -> None:
    """Predictions of the first schema are all there after the second, as they were."""
    migration.upgrade(empty_database, "0001")
    migration.upgrade(empty_database)
    write_records(empty_database, RECORDS)
    migration.downgrade(empty_database, "0001")
    migration.upgrade(empty_database)
    history = KeptHistory(empty_database)
    assert list(history.stream(HistoryQuery())) == [
        KeptPrediction(one) for one in reversed(RECORDS)
    ]


def test_down_to_nothing_leaves_nothing(database: Database) -> None:
    """All tables are gone, and it can begin anew."""
    assert migration.downgrade(database, migration.BASE).revision is None
    with database.reading() as connection:
        assert not set(sql.inspect(connection).get_table_names()) & set(METADATA.tables)
    assert migration.upgrade(database).is_current


def test_it_is_told_where_a_schema_is(empty_database: Database) -> None:
    """Before, between and after the steps: what is there, who made it, and what is to come."""
    first, second = revisions()
    assert migration.current(empty_database).pending == (first, second)
    between = migration.upgrade(empty_database, first)
    assert (between.revision, between.pending, between.is_current) == (first, (second,), False)
    after = migration.upgrade(empty_database)
    assert (after.revision, after.pending, after.is_current) == (second, (), True)
    assert after.written_by is not None


def test_several_upgrades_at_once_make_one_schema(empty_database: Database) -> None:
    """Whoever comes second waits, and finds everything done."""
    with ThreadPoolExecutor(4) as threads:
        states = list(threads.map(lambda _: migration.upgrade(empty_database), range(4)))
    assert all(one.is_current for one in states)


def test_an_older_schema_is_refused_with_what_to_do(empty_database: Database) -> None:
    """A schema that this version cannot use names the command that mends it."""
    migration.upgrade(empty_database, "0001")
    with pytest.raises(HistoryRefused, match=r"schema 0001.*needs 0002.*topfive db upgrade"):
        migration.check_schema(empty_database)


def test_a_newer_schema_says_who_made_it(database: Database) -> None:
    """A schema of a version to come is refused, up and down too, and stays as it is."""
    execute(
        database,
        "UPDATE topfive_schema SET version_num = '0099'",
        "INSERT INTO topfive_migrations VALUES ('0099', '7.1.0', '2030-01-01 00:00:00.000000')",
    )
    for ask in (
        migration.check_schema,
        migration.upgrade,
        lambda one: migration.downgrade(one, migration.BASE),
        lambda one: migration.one_below(migration.current(one)),
    ):
        with pytest.raises(HistoryRefused, match=r"schema 0099, made by topfive 7\.1\.0"):
            ask(database)
    assert migration.current(database).revision == "0099"


def test_a_table_that_names_two_schemas_is_refused(database: Database) -> None:
    """It is told by everything that asks for the schema, in words."""
    execute(database, "INSERT INTO topfive_schema VALUES ('0001')")
    for ask in (migration.current, migration.check_schema, migration.upgrade):
        with pytest.raises(HistoryRefused, match=r"names 2 schemas in topfive_schema"):
            ask(database)


def test_tables_of_others_are_left_alone(empty_database: Database) -> None:
    """A database in which a table of that name is somebody else's is refused."""
    execute(empty_database, OTHERS_TABLE)
    for ask in (migration.check_schema, migration.upgrade):
        with pytest.raises(HistoryRefused, match=r"predictions.*a database of its own"):
            ask(empty_database)


def test_an_unknown_revision_is_refused(database: Database) -> None:
    """It says which there are, and nothing changes."""
    for ask in (migration.upgrade, migration.downgrade):
        with pytest.raises(HistoryRefused, match="0001, 0002"):
            ask(database, "0003")
    migration.check_schema(database)


def test_a_step_that_fails_leaves_the_schema_as_it_was(empty_database: Database) -> None:
    """All or nothing: also where a later step cannot be made."""
    migration.upgrade(empty_database, "0001")
    execute(empty_database, "CREATE INDEX ix_predictions_picture_sha256 ON models (name)")
    with pytest.raises(Exception, match=r".+"):
        migration.upgrade(empty_database)
    assert migration.current(empty_database).revision == "0001"
    execute(empty_database, "DROP INDEX ix_predictions_picture_sha256")
    assert migration.upgrade(empty_database).is_current


def test_only_an_empty_file_is_made_ready(empty_database: Database) -> None:
    """A SQLite file gets its tables at the start; a PostgreSQL is for its owner to change."""
    if empty_database.is_sqlite:
        migration.make_ready(empty_database)
        assert migration.current(empty_database).is_current
    else:
        with pytest.raises(HistoryRefused, match=r"is empty.*topfive db upgrade"):
            migration.make_ready(empty_database)
