"""What every table is made of."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def micros(name: str, *, null: bool = False) -> Column[int]:
    """A time, in microseconds since the epoch."""
    return Column(name, BigInteger, nullable=null)


def words(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    """Text, or a part of the key."""
    return Column(name, Text, primary_key=key, nullable=null)


def flag(name: str) -> Column[bool]:
    """Yes or no."""
    return Column(name, Boolean, nullable=False)


def serial(name: str = "id") -> Column[int]:
    """A key that counts up by itself."""
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
