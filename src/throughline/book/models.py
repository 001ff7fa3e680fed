"""Table of the book: what another system calls a borrower or a loan."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant


class BookReference(Base):
    """The id of a borrower or a loan in the system that it came from. `content` tells a changed loan."""

    __tablename__ = "book_reference"
    __table_args__ = (Index("ix_book_reference_borrower_id", "borrower_id"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    borrower_id: Mapped[UUID]
    id: Mapped[UUID]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    imported_at: Mapped[Instant]
