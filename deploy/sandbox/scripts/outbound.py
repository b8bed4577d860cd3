"""The simple conversation an outbound call holds when somebody answers."""

from deploy.sandbox.scripts.script import Script, agent, caller

SCRIPTS = (
    Script(
        name="outbound_simple",
        language="fr-CA",
        about="a reminder call that is answered",
        customer="+15145238846",
        steps=(
            agent("Bonjour, ici Drainage Rive-Nord, je vous appelle au sujet de votre entretien."),
            caller("Ah oui, bonjour."),
            agent("Souhaitez-vous fixer une visite cet automne?"),
            caller("Oui, rappelez-moi lundi s'il vous plaît."),
            agent("Parfait, merci et bonne journée."),
        ),
        summary="La personne accepte une visite et demande un rappel lundi.",
        structured_data={"description": "Entretien, rappel lundi"},
    ),
)
