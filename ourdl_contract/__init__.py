"""The contract kit: ``pytest --ourdl`` and ``check_op(Op)`` prove that an op keeps every promise that an op makes.

pytest imports this package wherever OurDL is installed, so nothing of OurDL is imported before it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ourdl_contract.kit import check_op
    from ourdl_contract.result import Result

__all__ = ["Result", "check_op"]


def __getattr__(name: str) -> Any:
    if name == "check_op":
        from ourdl_contract.kit import check_op

        return check_op
    if name == "Result":
        from ourdl_contract.result import Result

        return Result
    raise AttributeError(f"module 'ourdl_contract' has no attribute '{name}'")
