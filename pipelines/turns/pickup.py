"""Who answered a call that we placed: a pure function of what was heard since he picked up.

A person says a few words and waits. A machine speaks on (a greeting of a mailbox lasts 5 to 30 s), names the message it takes, or beeps. A menu
names keys. Words decide as soon as they are known; where they do not, the lengths of speech and pause do, in bounded time.
"""

import re
from enum import Enum

import msgspec

from pipelines.turns.policy import CallSettings


class Answered(Enum):
    """Who picked up."""

    PERSON = "person"
    MACHINE = "machine"
    IVR = "ivr"


class Heard(msgspec.Struct, frozen=True):
    """What was heard since the callee picked up, all times in microseconds.

    `since`: time since then; `speech`: how long he spoke, pauses left out; `run`: ... since his last pause that could have ended a greeting;
    `pause`: silence since his last word, 0 while he speaks; `words`: what was understood so far; `known`: nothing more is being recognised;
    `beep`: a beep was heard, and no speech after it.
    """

    since: int
    speech: int = 0
    run: int = 0
    pause: int = 0
    words: str = ""
    known: bool = True
    beep: bool = False


_KEY = r"(?:\d|one|two|three|four|five|six|seven|eight|nine|zero|star|pound|hash|any key)"
_TOUCHE = r"(?:\d|une?|deux|trois|quatre|cinq|six|sept|huit|neuf|zéro|étoile|dièse)"
# The recogniser writes "tapé un" or "tapés 1" for "tapez 1".
_MENU = re.compile(
    rf"\b(?:press|dial|push|enter|say or press)(?: the)?(?: number| key| digit)? {_KEY}\b"
    rf"|\b(?:your party's|the) extension\b|\bfollowing (?:options|menu)\b"
    rf"|\b(?:(?:tap|appuy|compos|press)(?:ez|er|ée?s?)|faites)(?: sur)?(?: le| la)?(?: touche| chiffre| numéro)? {_TOUCHE}\b"
    rf"|\btouche {_TOUCHE}\b|\bchoix suivants\b"
)
_MAILBOX = re.compile(
    r"\bleav(?:e|ing) (?:me |us |him |her |them )?(?:a|an|your|the) (?:\w+ )?(?:message|name|number)\b"
    r"|\b(?:after|at|following) the (?:tone|beep|signal)\b|\bvoice ?mail|\banswer(?:ing|phone) ?machine|\bmail ?box\b"
    r"|\b(?:can't|cannot|can not|couldn't|unable to) (?:come|get) to the phone\b"
    r"|\b(?:can't|cannot|unable to) (?:take|answer) (?:your|the) (?:call|phone)\b"
    r"|\b(?:is|am|are|'m|'re) (?:currently |presently )?(?:not available|unavailable|away from)\b"
    r"|\b(?:nobody|no one) is available\b|\b(?:person|party|number|subscriber|customer) you(?: are|'re| have|'ve)? (?:trying|called|call|dialed|dialled|reach)"
    r"|\brecord (?:your|a) message\b|\b(?:get back to|return your call|call you back as soon)\b|\ball circuits are busy\b|\bplease hang up\b"
    r"|\blaiss\w+(?:-| )?(?:moi |nous |lui |leur )?(?:un|votre|vos|le) (?:\w+ )?(?:message|nom|coordonnées|numéro)\b"
    r"|\baprès le (?:bip|signal|top|ton)\b|\b(?:bip|signal) sonore\b|\brépondeur\b|\bmessagerie\b|\bboîte vocale\b|\bvotre correspondant\b"
    r"|\b(?:suis|sommes|est|sont) (?:actuellement |momentanément )?(?:pas (?:\w+ )?(?:disponibles?|joignables?|là)|absente?s?|indisponibles?|injoignables?)\b"
    r"|\bpas (?:\w+ )?(?:vous |te )?répondre\b|\brappeler\w+ dès\b|\bn'est (?:pas|plus) (?:attribué|en service)\b"
)
_GREETS = re.compile(
    r"\bhow (?:can|may) i (?:help|direct)\b|\bwho(?:'s| is) (?:this|calling|speaking)\b|\bspeaking\b|\bque puis-je\b"
    r"|\b(?:je vous |j')écoute\b|\bà l'appareil\b|\bqui est-ce\b|\bc'est qui\b"
)
_GOES_ON = re.compile(
    r"\b(?:you've|you have) reached\b|\bthank you for calling\b|\bthanks for calling\b|\bwelcome to\b|\bhi,? this is\b"
    r"|\bvous êtes (?:bien )?(?:chez|sur|au|à|en)\b|\bbienvenue\b|\bmerci (?:de votre appel|d'avoir appelé|d'appeler)\b|\bbonjour,? vous êtes\b"
)
_APOSTROPHES = str.maketrans("’ʼ", "''")


def who_answered(heard: Heard, settings: CallSettings) -> Answered | None:
    """Who answered, None while that is not certain. Certain at `answer_limit_us` at the latest."""
    words = heard.words.lower().translate(_APOSTROPHES)
    if heard.beep or _MAILBOX.search(words):
        return Answered.MACHINE
    if _MENU.search(words):
        return Answered.IVR
    if heard.run >= settings.answer_machine_us * (2 if _GREETS.search(words) else 1):
        return Answered.MACHINE
    if heard.since >= settings.answer_limit_us:
        return Answered.MACHINE if heard.speech >= settings.answer_machine_us else Answered.PERSON
    if not heard.speech:
        return Answered.PERSON if heard.since >= settings.answer_silence_us else None
    settled = heard.known or heard.pause >= settings.answer_silence_us
    return Answered.PERSON if settled and heard.pause >= _pause_wanted(heard.speech, words, settings) else None


def _pause_wanted(speech: int, words: str, settings: CallSettings) -> int:
    """How long a pause is that of somebody who waits for an answer: "Hello?" is all there is; a greeting of a mailbox has commas."""
    if _GOES_ON.search(words):
        return settings.answer_silence_us
    if speech <= settings.answer_short_us or _GREETS.search(words):
        return settings.answer_pause_us
    return 2 * settings.answer_pause_us
