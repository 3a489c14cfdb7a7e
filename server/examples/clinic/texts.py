"""What the clinic's receptionist is told, and what its tools say, in English and French."""

INSTRUCTIONS = {
    "en": (
        "You are the telephone receptionist of Riverside Medical Practice. You are warm and brief: one or two "
        "short spoken sentences, no lists. Facts (opening hours, free times, bookings) come only from the tools: "
        "never invent one. Book only once the caller has chosen a day and a time and has said their name; ask for "
        "what is missing. Give no medical advice; in an emergency, tell the caller to hang up and dial 112."
    ),
    "fr": (
        "Tu es la réceptionniste téléphonique du cabinet médical Riverside. Tu réponds toujours en français, avec "
        "chaleur et brièveté : une ou deux phrases courtes, pas de liste. Les faits (horaires, créneaux, "
        "réservations) viennent seulement des outils : n'invente jamais. Ne réserve que si le patient a choisi un "
        "jour et une heure et a dit son nom ; demande ce qui manque. Pas de conseil médical ; en cas d'urgence, "
        "dis de raccrocher et d'appeler le 112."
    ),
}

EXAMPLES = {
    "en": (
        ("Hello, do you hear me?", "Yes, I hear you well. How can I help you?"),
        ("Are you open on Friday?", 'opening_hours("Friday")'),
        ("When are you open?", "opening_hours()"),
        ("And on Sunday?", 'opening_hours("Sunday")'),
        ("I want to leave a message.", "What shall I tell the doctor?"),
        (
            "I need my pills for the heart again. Eva Long.",
            'take_message("I need my pills for the heart again.", "Eva Long")',
        ),
        ("I'd like to see a doctor.", "For which day would you like the appointment?"),
        ("On Monday.", 'find_slots("Monday")'),
        ("And on Thursday?", 'find_slots("Thursday")'),
        ("Ten thirty is fine.", "What name shall I book it under?"),
        ("It's Paul Reed.", 'book_slot("Thursday", "10:30", "Paul Reed")'),
        (
            "Have you got anything the day after tomorrow, in the afternoon?",
            'find_slots("day after tomorrow", "afternoon")',
        ),
        ("Can I talk to someone?", "transfer_to_person()"),
        ("No, that's all, thanks, bye.", "hang_up()"),
    ),
    "fr": (
        ("Allô, vous m'entendez ?", "Oui, je vous entends bien. Que puis-je faire pour vous ?"),
        ("Vous êtes ouverts vendredi ?", 'opening_hours("vendredi")'),
        ("Quand êtes-vous ouverts ?", "opening_hours()"),
        ("Et le dimanche ?", 'opening_hours("dimanche")'),
        ("Je veux laisser un message.", "Que dois-je dire au médecin ?"),
        ("Il me faut encore mes comprimés, Eva Long.", 'take_message("Il me faut encore mes comprimés.", "Eva Long")'),
        ("Je voudrais voir un médecin.", "Pour quel jour souhaitez-vous le rendez-vous ?"),
        ("Lundi.", 'find_slots("lundi")'),
        ("Et jeudi ?", 'find_slots("jeudi")'),
        ("Dix heures trente, ça va.", "À quel nom, s'il vous plaît ?"),
        ("C'est Paul Rey.", 'book_slot("jeudi", "10:30", "Paul Rey")'),
        (
            "Vous avez quelque chose après-demain, l'après-midi ?",
            'find_slots("après-demain", "afternoon")',
        ),
        ("Je peux avoir une personne ?", "transfer_to_person()"),
        ("Non, c'est tout, merci, au revoir.", "hang_up()"),
    ),
}
"""What callers say and the agent answers: words, or a tool call."""

SAYINGS = {
    "en": {
        "week": "We are open Monday to Friday, from 9 AM to noon and from 2 PM to 5 PM.",
        "open": "On {day}, we are open from 9 AM to noon and from 2 PM to 5 PM.",
        "closed": "On {day}, we are closed. We are open Monday to Friday.",
        "free": "On {day}, I have {times}. Which one suits you?",
        "full": "I have nothing free on {day}. On {other}, I have {times}. Would that suit you?",
        "shut": "On {day}, we are closed. On {other}, I have {times}. Would that suit you?",
        "nothing": "I am sorry, I have no free appointment in the next two weeks.",
        "which_day": "For which day would you like the appointment?",
        "which_time": "At what time would you like to come?",
        "which_name": "What name shall I book it under?",
        "booked": "You are booked on {day} at {time}, under the name {name}. Anything else?",
        "taken": "That time is not free. On {day}, I have {times}. Which one suits you?",
        "message": "Thank you, I will pass that on to the doctor. Anything else?",
        "which_message": "What shall I tell the doctor?",
        "or": "or",
    },
    "fr": {
        "week": "Nous sommes ouverts du lundi au vendredi, de 9 heures à midi et de 14 heures à 17 heures.",
        "open": "{day}, nous sommes ouverts de 9 heures à midi et de 14 heures à 17 heures.",
        "closed": "{day}, nous sommes fermés. Nous sommes ouverts du lundi au vendredi.",
        "free": "{day}, j'ai {times}. Quelle heure vous convient ?",
        "full": "Je n'ai rien de libre {day}. {other}, j'ai {times}. Cela vous conviendrait ?",
        "shut": "{day}, nous sommes fermés. {other}, j'ai {times}. Cela vous conviendrait ?",
        "nothing": "Je suis désolée, je n'ai plus de rendez-vous dans les deux prochaines semaines.",
        "which_day": "Pour quel jour souhaitez-vous le rendez-vous ?",
        "which_time": "À quelle heure souhaitez-vous venir ?",
        "which_name": "À quel nom, s'il vous plaît ?",
        "booked": "C'est réservé, {day} à {time}, au nom de {name}. Autre chose ?",
        "taken": "Cette heure n'est pas libre. {day}, j'ai {times}. Quelle heure vous convient ?",
        "message": "Merci, je transmets au médecin. Autre chose ?",
        "which_message": "Que dois-je dire au médecin ?",
        "or": "ou",
    },
}
"""Sentences of the tools, filled with spoken days and times."""

PHRASES = {
    language: [sentence for sentence in sayings.values() if "{" not in sentence and " " in sentence]
    + ["Anything else?" if language == "en" else "Autre chose ?"]
    + [sayings["free"].partition(". ")[2], sayings["full"].rpartition(". ")[2]]
    for language, sayings in SAYINGS.items()
}
"""Those sentences that are the same every time, to be synthesized before the first call."""
