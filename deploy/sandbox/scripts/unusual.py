"""Calls that go another way: nobody answers, a machine answers, or the provider falls silent."""

from deploy.sandbox.scripts.script import GREETING_FR, Script, agent, caller

_OPENING = (
    agent(GREETING_FR),
    caller("Bonjour, je vous appelle pour un drain bouché,"),
)

SCRIPTS = (
    Script(
        name="never_ended",
        language="fr-CA",
        about="the webhooks stop in mid-call; the provider shows it in progress for its longest duration",
        customer="+14506418825",
        steps=_OPENING,
        ended_reason="exceeded-max-duration",
        sends_ended=False,
        sends_report=False,
        hangs=True,
        success_evaluation=None,
    ),
    Script(
        name="lost_report",
        language="fr-CA",
        about="the call ends at the provider, but neither `ended` nor the report is ever sent",
        customer="+15142739916",
        steps=(*_OPENING, agent("À quelle adresse?"), caller("Au 12 rue Fleury, H3L 1S5.")),
        sends_ended=False,
        sends_report=False,
        summary="Drain bouché au 12 rue Fleury.",
    ),
    Script(
        name="report_only",
        language="fr-CA",
        about="the end report comes, `ended` does not",
        customer="+14183809274",
        steps=(*_OPENING, agent("C'est noté, merci.")),
        sends_ended=False,
        summary="Drain bouché, rappel demandé.",
    ),
    Script(
        name="assistant_request",
        language="fr-CA",
        about="the number has no assistant: our server is asked which one takes the call",
        customer="+14507183340",
        steps=(*_OPENING, agent("C'est noté, merci.")),
        asks_for_assistant=True,
        summary="Drain bouché, rappel demandé.",
    ),
    Script(
        name="abandoned",
        language="fr-CA",
        about="the caller hangs up during the greeting",
        customer="+14388046619",
        steps=(agent("Bonjour, ici l'assistante de Drainage Rive-Nord."),),
        success_evaluation=None,
    ),
    Script(
        name="voicemail",
        language="fr-CA",
        about="a machine answers",
        customer="+15145229187",
        steps=(
            caller("Vous avez joint la boîte vocale, laissez un message après le signal."),
            agent("Bonjour, ici Drainage Rive-Nord, nous vous rappellerons. Bonne journée."),
        ),
        ended_reason="voicemail",
        summary="Un message a été laissé dans la boîte vocale.",
        success_evaluation="false",
    ),
    Script(
        name="no_answer",
        language="fr-CA",
        about="nobody picks up",
        customer="+14504463152",
        ended_reason="customer-did-not-answer",
        answered=False,
        ring_seconds=20.0,
        success_evaluation=None,
    ),
    Script(
        name="busy",
        language="fr-CA",
        about="the line is busy",
        customer="+14502271864",
        ended_reason="customer-busy",
        answered=False,
        ring_seconds=2.0,
        success_evaluation=None,
    ),
)
