"""What passwords are made of by whoever does not want to think: words and rows of keys.

The words are the stems of those that lead every published list of leaked passwords; what people add
to them (digits, signs, a year, a capital letter) makes them no harder to guess.
"""

_LISTED = """
    password passwort passw0rd pass1word contrasena contraseña motdepasse senha welcome bienvenido
    letmein changeme changeit default secret administrator admin login guest master superuser
    qwerty azerty qwertz asdfgh zxcvbn iloveyou loveyou lovely princess princesa sunshine football
    baseball basketball soccer hockey monkey dragon shadow superman batman spiderman starwars
    pokemon minecraft michael michelle jennifer jessica ashley daniel charlie thomas robert jordan
    anthony andrea nicole hannah matthew joshua andrew william samantha victoria alexander freedom
    whatever trustno1 computer internet samsung google facebook whatsapp microsoft windows
    butterfly flower chocolate cookie cheese banana orange summer winter spring autumn monday
    tuesday wednesday thursday friday saturday sunday january february march april june july
    august september october november december america england london chicago dallas texas
    mercedes ferrari porsche corvette mustang harley yankees eagles cowboys lakers arsenal
    liverpool chelsea barcelona madrid blessed jesus christ heaven angel family forever friends
    purple yellow silver golden diamond killer hunter ranger soldier ginger pepper buster tigger
    maggie bailey cooper hospital clinic clinica doctor doctora nurse enfermera patient
    health medical medicine pharmacy diabetes insulin chronic chroniccare frontdesk reception
    company business office temporary temp123 testing tester example sample access system server
    database network security hello goodbye please thankyou abc123 test123 money
"""
WORDS = frozenset(_LISTED.split())
ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjklñ",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm",
    "!@#$%^&*()",
)
"""Read from either end."""
