"""A row of the table of rates: a distance's fitted power law beside the theory's."""

import math

from bnnpost.reports import words
from bnnpost.reports.words import DISTANCES, Rate
from bnnpost.spelling import rounded
from bnnpost.summaries import Html, element
from bnnpost.summaries.values import close_to_one, measured


def rate_row(name: str, rate: Rate, first: Rate | None) -> list[object]:
    """Exponent and coefficient with intervals; of a distance that has them the theory's too."""
    title = DISTANCES[name][1]
    row: list[object] = [title[:1].upper() + title[1:]]
    if words.is_fitted(rate):
        agrees = words.agrees(rate)
        row += [
            close_to_one(rate["exponent"]),
            words.interval(rate),
            words.whole_text(rate["theory"]),
            "inside" if agrees else element("span", "outside", class_="wrong"),
            measured(rate["coefficient"]),
            _coefficient_interval(rate),
        ]
    else:
        row += ["no fit", "–", words.whole_text(rate["theory"]), "–", "–", "–"]
    if first is not None:
        # Of the log evidence, whose difference has a sign, both are of the size.
        row.append(measured(abs(first["coefficient"]), first["coefficient_se"]))
    return row


def _coefficient_interval(rate: Rate) -> Html:
    low, high = (rounded(rate.get(f"coefficient_{end}", math.nan)) for end in ("low", "high"))
    return element("span", f"[{low}, {high}]", class_="interval")
