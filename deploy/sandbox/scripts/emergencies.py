"""Calls that cannot wait: a flood, a sewer backing up, a town with a blocked street."""

from deploy.sandbox.scripts.script import GREETING_EN, GREETING_FR, Script, agent, caller

SCRIPTS = (
    Script(
        name="p1_flood_fr",
        language="fr-CA",
        about="flooded basement, French",
        customer="+15142885071",
        steps=(
            agent(GREETING_FR),
            caller("C'est une urgence, j'ai une inondation, il y a de l'eau dans le sous-sol!"),
            agent(
                "Je comprends, c'est urgent. Quel est votre nom, s'il vous plaît,", interrupted_by_user=True
            ),
            caller("Ça monte encore, dépêchez-vous. Marie Tremblay."),
            agent("Merci madame Tremblay. À quelle adresse devons-nous aller?"),
            caller("Au 4520 rue Saint-Denis à Montréal, H2J 2L3."),
            agent("Un technicien vous rappelle tout de suite. Fermez l'entrée d'eau si vous le pouvez."),
            caller("D'accord, merci, faites vite."),
        ),
        summary="Inondation en cours dans un sous-sol du 4520 rue Saint-Denis; rappel immédiat attendu.",
        structured_data={
            "nom": "Marie Tremblay",
            "courriel": "marie.tremblay@exemple.ca",
            "adresse": "4520 rue Saint-Denis, Montréal",
            "codePostal": "H2J 2L3",
            "description": "Inondation, eau dans le sous-sol, le niveau monte",
        },
    ),
    Script(
        name="p1_backup_en",
        language="en-CA",
        about="sewer backup, English; the word that decides (refoulement) comes in French",
        customer="+14504672318",
        steps=(
            agent(GREETING_EN),
            caller("This is an emergency, the sewer is backing up, my plumber called it a refoulement."),
            agent("I am sorry to hear that. May I have your name and address?"),
            caller("John Carter, 218 Main Street in Longueuil, J4H 1A5."),
            agent("Thank you. Please do not flush. A technician will call you right away."),
            caller("Please hurry, thank you."),
        ),
        summary="Emergency: sewer backup at 218 Main Street, Longueuil. An immediate call back is expected.",
        structured_data={
            "nom": "John Carter",
            "courriel": "john.carter@example.com",
            "adresse": "218 Main Street, Longueuil",
            "codePostal": "J4H 1A5",
            "description": "Emergency, sewer backup (refoulement) in the basement",
        },
    ),
    Script(
        name="p2_municipal_fr",
        language="fr-CA",
        about="a town asks for a street sewer to be cleared, French",
        customer="+14186921437",
        steps=(
            agent(GREETING_FR),
            caller("Bonjour, j'appelle pour la Ville de Lévis, service des travaux publics."),
            agent("Bonjour. De quoi s'agit-il?"),
            caller("Un regard municipal est bouché sur la rue Wolfe, il faudrait passer bientôt."),
            agent("C'est noté. À quel nom dois-je ouvrir la demande?"),
            caller("Luc Gagnon, travaux publics, G6V 3Z2."),
            agent("Merci monsieur Gagnon, un responsable vous rappelle dans quelques minutes."),
        ),
        summary="La Ville de Lévis demande le débouchage d'un regard municipal rue Wolfe.",
        structured_data={
            "nom": "Luc Gagnon",
            "courriel": "travaux.publics@exemple.ca",
            "adresse": "Rue Wolfe, Lévis",
            "codePostal": "G6V 3Z2",
            "description": "Ville de Lévis: regard municipal bouché",
        },
        success_evaluation="9",
    ),
)
