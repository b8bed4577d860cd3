"""Sentiment, topics and next steps, where an assistant was configured to tell them."""

from typing import Any

import pytest

from services.calls.domain.insights import Insights, insights_of


@pytest.mark.parametrize(
    ("analysis", "insights"),
    [
        (None, Insights()),
        ({"summary": "x", "successEvaluation": "true"}, Insights()),
        ({"sentiment": "positive"}, Insights(sentiment="positive")),
        ({"structuredData": {"Sentiment": "négatif"}}, Insights(sentiment="négatif")),
        ({"sentiment": {"label": "neutral", "score": 0.5}}, Insights(sentiment="neutral")),
        ({"keyTopics": ["flood", "price"]}, Insights(key_topics=("flood", "price"))),
        (
            {"structuredData": {"sujets clés": "- inondation\n- prix"}},
            Insights(key_topics=("inondation", "prix")),
        ),
        ({"nextSteps": [{"step": "Call back", "owner": 5}, 7, ""]}, Insights(next_steps=("Call back",))),
        ({"structuredData": {"Prochaines étapes": ["Rappeler"]}}, Insights(next_steps=("Rappeler",))),
        ({"topics": ["a"], "structuredData": {"topics": ["b"]}}, Insights(key_topics=("a",))),
        ({"sentiment": 5, "keyTopics": 7, "structuredData": "none"}, Insights()),
    ],
)
def test_what_the_analysis_says_beyond_its_summary(
    analysis: dict[str, Any] | None, insights: Insights
) -> None:
    """IN-6: sentiment, key topics and next steps when told, in English and French."""
    assert insights == insights_of(analysis)
