"""The impact test-bed: worlds whose truth is known, and what every measure makes of them.

| question | file |
|---|---|
| which worlds are there, and what can be asked of one? | `cases` |
| which measures are there, ours and the peers'? | `measures` |
| was a measure right about a world? | `verdicts` |
| ask all of all | `running` |
| the answers as tables | `table` |
| the answers as a page, and in a README | `page`, `markdown` |
| would a combination of measures do better, on worlds it was not made for? | `combination` |
"""

from inference.testbed.cases import CASES, Case, find_example
from inference.testbed.combination import Combination, combine
from inference.testbed.markdown import BEGIN, END, markdown, refuse_unmarked, write_table
from inference.testbed.measures import Measure, measures
from inference.testbed.running import run
from inference.testbed.table import Answer, Row, Testbed
from inference.testbed.verdicts import VERDICTS, Verdict, judge

__all__ = [
    "BEGIN",
    "CASES",
    "END",
    "VERDICTS",
    "Answer",
    "Case",
    "Combination",
    "Measure",
    "Row",
    "Testbed",
    "Verdict",
    "combine",
    "find_example",
    "judge",
    "markdown",
    "measures",
    "refuse_unmarked",
    "run",
    "write_table",
]
