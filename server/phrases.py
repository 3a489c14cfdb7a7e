"""What Allô says of itself, in English and French; and the example agent, which answers when nothing is configured."""

GREETING = {
    "en": "Hello. How can I help you?",
    "fr": "Bonjour. Que puis-je faire pour vous ?",
}
PROMPT = {
    "en": "Are you still there?",
    "fr": "Êtes-vous toujours là ?",
}
GOODBYE = {
    "en": "Thank you for calling. Goodbye.",
    "fr": "Merci de votre appel. Au revoir.",
}
APOLOGY = {
    "en": "I am sorry, something is not working here.",
    "fr": "Je suis désolée, quelque chose ne fonctionne pas ici.",
}
CUT_IN = {
    "en": "Sorry to interrupt you there.",
    "fr": "Excusez-moi de vous interrompre.",
}
FILLERS = {
    "en": ["One moment, please.", "Let me look.", "I am still looking."],
    "fr": ["Un instant, je vous prie.", "Je regarde.", "Je cherche encore."],
}
OPENERS = {
    "en": ["Let's see.", "Okay.", "Right."],
    "fr": ["Alors.", "D'accord.", "Bien."],
}
KNOWN_CALLER = {
    "en": "By the voice this is probably {name}. That is no proof: ask before you rely on it.",
    "fr": "À la voix, c'est sans doute {name}. Ce n'est pas une preuve : demande avant de t'y fier.",
}
"""What an agent is told, once, of a caller whose voice is known."""

EXAMPLE_GREETING = {
    "en": "Riverside Medical Practice, hello. How can I help you?",
    "fr": "Cabinet médical Riverside, bonjour. Que puis-je faire pour vous ?",
}
