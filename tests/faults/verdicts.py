"""What the answers around one fault come to, and which promise they break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.load import Answer, Verdict

RECOVERS_WITHIN = 5.0


@dataclass
class Round:
    """One fault, once: when it ended, and all answers since it began, until everybody was served again."""

    ended: float
    served_again: bool
    answers: Sequence[Answer]
    answers_to_bursts: Sequence[Answer] = ()


@dataclass
class Tally:
    """All rounds of one fault."""

    name: str
    breaks_connections: bool
    rounds: int = 0
    counts: Counter[Verdict] = field(default_factory=Counter)
    slowest_recovery: float = 0.0
    longest_answer: float = 0.0
    broken: list[str] = field(default_factory=list)

    def add(self, one: Round) -> None:
        self.rounds += 1
        self.counts.update(answer.verdict for answer in (*one.answers, *one.answers_to_bursts))
        self.slowest_recovery = max(self.slowest_recovery, recovery(one))
        self.longest_answer = max([self.longest_answer, *(answer.ended - answer.begun for answer in one.answers)])
        self.broken += [f"round {self.rounds}: {what}" for what in broken(one, breaks_connections=self.breaks_connections)]


def recovery(one: Round) -> float:
    """Seconds from the end of the fault to the end of the last answer that was not true."""
    return max((a.ended - one.ended for a in one.answers if a.verdict is not Verdict.TRUE and a.ended > one.ended), default=0.0)


_NO_ANSWER = (Verdict.RESET, Verdict.WRONG)


def broken(one: Round, *, breaks_connections: bool) -> list[str]:
    """The promises that were broken, each in a sentence."""
    said = [f"{a.asker.name} was answered {a.said}" for a in one.answers if a.verdict is Verdict.WRONG]
    resets = [a for a in one.answers if a.verdict is Verdict.RESET]
    if not breaks_connections:
        said += [f"{a.asker.name} was cut off: {a.said}" for a in resets]
    said += [f"{a.asker.name} had been sent whole and got {a.said}" for a in one.answers_to_bursts if a.verdict in _NO_ANSWER]
    if not one.served_again:
        said.append("not everybody was served again")
    elif recovery(one) > RECOVERS_WITHIN:
        said.append(f"it took {recovery(one):.1f} s until everybody was served again")
    return said
