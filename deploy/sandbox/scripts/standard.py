"""Ordinary work: a relining, two slow drains, and a service the business does not offer."""

from deploy.sandbox.scripts.script import GREETING_EN, GREETING_FR, Script, agent, caller, use_tool

SCRIPTS = (
    Script(
        name="p3_lining_en",
        language="en-CA",
        about="pipe relining (high value), English",
        customer="+15148436690",
        steps=(
            agent(GREETING_EN),
            caller(
                "Hi, a camera inspection found cracks and they told me I need relining, gainage in French."
            ),
            agent("We do that. About how long is the pipe?"),
            caller("About fifteen metres, I was told four thousand dollars or more."),
            agent("May I have your name and address for the estimate?"),
            caller("Susan Wright, 77 Westmount Avenue, H3Z 1X5, susan.wright@example.com."),
            agent("Thank you, an estimator will call you within the hour."),
            caller("Great, bye."),
        ),
        summary="Relining (gainage) of about 15 m of cracked pipe at 77 Westmount Avenue; estimate wanted.",
        structured_data={
            "nom": "Susan Wright",
            "courriel": "susan.wright@example.com",
            "adresse": "77 Westmount Avenue, Westmount",
            "codePostal": "H3Z 1X5",
            "description": "Relining (gainage) of a cracked drain, about 4000 dollars",
            "valeurEstimee": 4000,
        },
    ),
    Script(
        name="p4_standard_fr",
        language="fr-CA",
        about="slow kitchen drain, French",
        customer="+14506523984",
        steps=(
            agent(GREETING_FR),
            caller("Bonjour, l'évier de la cuisine se vide lentement depuis deux semaines."),
            agent("D'accord. Est-ce qu'un autre drain de la maison est touché?"),
            caller("Non, juste l'évier. Je suis disponible la semaine prochaine."),
            agent("À quel nom et à quelle adresse?"),
            caller("Paul Bouchard, 1250 boulevard Taschereau à Brossard, J4W 2T4."),
            agent("Merci monsieur Bouchard, nous vous rappelons pour fixer la visite."),
        ),
        summary="Évier de cuisine lent au 1250 boulevard Taschereau; visite souhaitée la semaine prochaine.",
        structured_data={
            "nom": "Paul Bouchard",
            "courriel": "paul.bouchard@exemple.ca",
            "adresse": "1250 boulevard Taschereau, Brossard",
            "codePostal": "J4W 2T4",
            "description": "Évier de cuisine qui se vide lentement",
        },
        success_evaluation="8",
    ),
    Script(
        name="p4_standard_en",
        language="en-CA",
        about="slow shower drain, English; no structured data comes back",
        customer="+15149354127",
        steps=(
            agent(GREETING_EN),
            caller("Hello, my shower drains slowly. I would like someone to have a look."),
            agent("Of course. When would suit you,", interrupted_by_user=True),
            caller("Any morning. I am David Lee in Verdun."),
            agent("Thank you, we will call you back to set a time."),
        ),
        summary="Slow shower drain in Verdun; any morning suits.",
        success_evaluation="Good",
    ),
    Script(
        name="refused_service",
        language="fr-CA",
        about="asks for a septic tank, which the business refuses; validateServiceRequest is called",
        customer="+14507741258",
        steps=(
            agent(GREETING_FR),
            caller("Bonjour, je voudrais faire vider ma fosse septique."),
            use_tool("validateServiceRequest", {"service": "fosses septiques"}, say="{message}"),
            caller("Ah bon, merci quand même."),
        ),
        ended_reason="assistant-ended-call",
        summary="Demande de vidange de fosse septique, service non offert.",
        structured_data={"nom": "René Lavoie", "description": "Vidange de fosse septique"},
        success_evaluation="false",
    ),
)
