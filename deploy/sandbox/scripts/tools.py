"""Calls in the middle of which the assistant asks our server and waits for the answer."""

from deploy.sandbox.scripts.script import GREETING_EN, GREETING_FR, Script, UseTool, agent, caller, use_tool

SCRIPTS = (
    Script(
        name="quote_tool",
        language="fr-CA",
        about="calculateQuote in the middle of the call",
        customer="+14504423376",
        steps=(
            agent(GREETING_FR),
            caller("Combien coûte un débouchage à Longueuil? C'est assez pressant."),
            use_tool(
                "calculateQuote",
                {
                    "serviceType": "debouchage",
                    "location": "rive_sud",
                    "urgency": True,
                    "complexity": "standard",
                },
                say="Selon mon estimation, entre {min} et {max} dollars.",
            ),
            caller("Parfait, c'est au nom de Claire Roy, 35 rue Saint-Charles, J4H 1E3."),
            agent("Merci madame Roy, nous vous rappelons pour confirmer."),
        ),
        summary="Débouchage demandé à Longueuil; une estimation a été donnée.",
        structured_data={
            "nom": "Claire Roy",
            "courriel": "claire.roy@exemple.ca",
            "adresse": "35 rue Saint-Charles, Longueuil",
            "codePostal": "J4H 1E3",
            "description": "Débouchage assez pressant",
        },
    ),
    Script(
        name="classify_tool",
        language="en-CA",
        about="classifyPriority in the middle of the call",
        customer="+15148719045",
        steps=(
            agent(GREETING_EN),
            caller("Water is coming up, it is a débordement and it is getting worse."),
            use_tool(
                "classifyPriority",
                {"description": "Water overflowing, débordement in the basement", "estimatedValue": 800},
                say="I have marked this as {priority}. Someone will call you back.",
                arguments_as_text=True,
            ),
            caller("Thank you. I am Emma Stone, 900 Sherbrooke Street, H3A 1G1."),
            agent("Thank you Emma, stay safe."),
        ),
        summary="Overflow in a basement at 900 Sherbrooke Street, classified during the call.",
        structured_data={
            "nom": "Emma Stone",
            "adresse": "900 Sherbrooke Street, Montréal",
            "codePostal": "H3A 1G1",
            "description": "Débordement in the basement",
        },
    ),
    Script(
        name="two_tools",
        language="fr-CA",
        about="two tool calls in one webhook",
        customer="+14182663907",
        steps=(
            agent(GREETING_FR),
            caller("Je veux un prix pour une inspection par caméra, et savoir quand vous pouvez venir."),
            UseTool(
                calls=(
                    (
                        "calculateQuote",
                        {
                            "serviceType": "camera_inspection",
                            "location": "quebec",
                            "urgency": False,
                            "complexity": "standard",
                        },
                    ),
                    ("classifyPriority", {"description": "Inspection par caméra", "estimatedValue": 350}),
                ),
                say_result="Entre {min} et {max} dollars.",
            ),
            caller("C'est bon, merci."),
        ),
        summary="Prix demandé pour une inspection par caméra.",
    ),
)
