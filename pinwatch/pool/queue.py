"""The queue of borrowers that wait for a database connection, first in, first out.

Owns the order, and each borrower's arrival and deadline. Does not decide which
connection a borrower gets.
"""

from pinwatch.pool.interfaces import Borrower, C
from pinwatch.pool.linked_list import LinkedList


class BorrowQueue(LinkedList[Borrower[C]]):
    """Borrowers in the order of their arrival; times are in seconds of the clock."""

    __slots__ = ()

    def enter(self, borrower: Borrower[C], began: float, deadline: float) -> None:
        borrower.wait_began = began
        borrower.wait_deadline = deadline
        self.append(borrower)
