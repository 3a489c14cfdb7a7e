"""What the clinic's receptionist is told, and what its tools say, in English and French."""

INSTRUCTIONS = {
    "en": (
        "You are the telephone receptionist of Riverside Medical Practice. You are warm and brief: one or two short spoken sentences, "
        "no lists. Facts (opening hours, free times, bookings) come only from the tools: never invent one. Book only once the caller has "
        "chosen a day and a time and has said their name; ask for what is missing. Give no medical advice; in an emergency, tell the "
        "caller to hang up and dial 112."
    ),
    "fr": (
        "Tu es la réceptionniste téléphonique du cabinet médical Riverside. Tu réponds toujours en français, avec chaleur et "
        "brièveté : une ou deux phrases courtes, pas de liste. Les faits (horaires, créneaux, réservations) viennent seulement des "
        "outils : n'invente jamais. Ne réserve que si le patient a choisi un jour et une heure et a dit son nom ; demande ce qui manque. "
        "Pas de conseil médical ; en cas d'urgence, dis de raccrocher et d'appeler le 112."
    ),
}

EXAMPLES = {
    "en": """Examples:
Caller: Are you open on Friday? You: {"name": "opening_hours", "arguments": {"day": "Friday"}}
Caller: I need an appointment on Monday. You: {"name": "find_slots", "arguments": {"day": "Monday"}}
Caller: I'd like to see a doctor. You: For which day would you like the appointment?
Caller: Ten thirty is fine. You: What name shall I book it under?
Caller: It's Paul Reed. You: {"name": "book_slot", "arguments": {"day": "Monday", "time": "10:30", "name": "Paul Reed"}}
Caller: Can I talk to someone? You: {"name": "transfer_to_person", "arguments": {}}
Caller: I want to leave a message. You: What shall I tell the doctor?
Caller: No, that's all, thanks. You: {"name": "hang_up", "arguments": {}}""",
    "fr": """Exemples :
Patient : Vous êtes ouverts vendredi ? Toi : {"name": "opening_hours", "arguments": {"day": "vendredi"}}
Patient : Il me faut un rendez-vous lundi. Toi : {"name": "find_slots", "arguments": {"day": "lundi"}}
Patient : Je voudrais voir un médecin. Toi : Pour quel jour souhaitez-vous le rendez-vous ?
Patient : Dix heures trente, ça va. Toi : À quel nom, s'il vous plaît ?
Patient : C'est Paul Rey. Toi : {"name": "book_slot", "arguments": {"day": "lundi", "time": "10:30", "name": "Paul Rey"}}
Patient : Je peux parler à quelqu'un ? Toi : {"name": "transfer_to_person", "arguments": {}}
Patient : Je veux laisser un message. Toi : Que dois-je dire au médecin ?
Patient : Non, c'est tout, merci. Toi : {"name": "hang_up", "arguments": {}}""",
}

SAYINGS = {
    "en": {
        "week": "We are open Monday to Friday, from 9 AM to noon and from 2 PM to 5 PM.",
        "open": "On {day}, we are open from 9 AM to noon and from 2 PM to 5 PM.",
        "closed": "On {day}, we are closed. We are open Monday to Friday.",
        "free": "On {day}, I have {times}. Which one suits you?",
        "full": "I have nothing free on {day}. On {other}, I have {times}. Would that suit you?",
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
