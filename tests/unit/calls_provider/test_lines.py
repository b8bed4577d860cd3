"""How lines are laid out when their number changes."""

from hypothesis import given
from hypothesis import strategies as st

from services.calls.domain.accounts import Line, plan_lines

present_lines = st.lists(
    st.tuples(st.integers(1, 40), st.booleans(), st.booleans()), max_size=20, unique_by=lambda line: line[0]
).map(
    lambda rows: [
        Line(line_no=number, in_use=in_use, outbound=outbound, retiring=False)
        for number, in_use, outbound in rows
    ]
)


@given(present=present_lines, lines=st.integers(1, 30), reserve=st.integers(0, 30))
def test_exactly_the_wanted_lines_are_takeable_and_none_in_use_is_removed(
    present: list[Line], lines: int, reserve: int
) -> None:
    plan = plan_lines(present, lines=lines, inbound_reserve=min(reserve, lines))

    kept = {line.line_no: line for line in plan.keep}
    assert len(kept) == len(plan.keep)
    assert sum(not line.retiring for line in plan.keep) == lines
    assert sum(not line.outbound and not line.retiring for line in plan.keep) == min(reserve, lines)
    in_use = {line.line_no for line in present if line.in_use}
    assert in_use <= set(kept)
    assert {number for number, line in kept.items() if line.in_use} == in_use
    assert set(plan.remove) == {line.line_no for line in present} - set(kept)
    # A line retires only when all others are in use: nothing is placed until enough calls have ended.
    assert not any(line.retiring for line in plan.keep) or all(line.in_use for line in plan.keep)
    again = plan_lines(plan.keep, lines=lines, inbound_reserve=min(reserve, lines))
    assert {line.line_no for line in again.keep} == set(kept)
    assert list(again.remove) == []


def test_free_lines_form_the_reserve_first() -> None:
    present = [
        Line(line_no=number, in_use=number <= 2, outbound=True, retiring=False) for number in (1, 2, 3, 4)
    ]

    plan = plan_lines(present, lines=4, inbound_reserve=2)

    assert {line.line_no for line in plan.keep if not line.outbound} == {3, 4}
