"""The words of replies, by language: data alone, read by `rules`.

Written as people write them; matching ignores case, punctuation and, where that leaves no doubt,
accents. A message must be one of these as a whole: `stop` inside a sentence is no `stop`.
"""

from typing import Literal

Intent = Literal[
    "confirm",
    "change",
    "no",
    "taken",
    "skip",
    "help",
    "stop",
    "stop_unsure",
    "start",
    "thanks",
    "unknown",
]

# `stop_unsure`: a bare word that may end the messages or the visit.
WORDS: dict[str, dict[Intent, tuple[str, ...]]] = {
    "en": {
        "confirm": (
            "1", "one", "c", "y", "yes", "yep", "yeah", "yup", "ok", "okay", "k", "sure", "correct",
            "confirm", "confirmed", "i confirm", "yes i confirm", "confirm my appointment",
            "confirm appointment", "will do", "I'll be there", "I will be there",
            "yes I'll be there", "yes I will be there", "I will come", "I'm coming",
            "see you then", "sounds good", "works for me", "that works",
        ),
        "change": (
            "2", "two", "change", "reschedule", "move", "another time", "different time",
            "new time", "need to reschedule", "I need to reschedule", "I need to change",
            "change my appointment", "reschedule my appointment", "change time",
            "I can't make it", "can't make it", "cannot make it", "I cannot make it",
            "I can't come", "I cannot come", "not coming", "I won't be there",
            "cancel my appointment", "cancel my visit", "cancel appointment",
            "cancel the appointment", "I need to cancel my appointment",
            "I want to cancel my appointment",
        ),
        "no": ("n", "no", "nope", "nah", "not interested"),
        "taken": ("taken", "took", "took it", "I took it", "taken it", "I have taken it"),
        "skip": ("skip", "skipped", "skip it", "I skipped it", "not taken", "didn't take it",
                 "I didn't take it", "missed it"),
        "help": ("help", "info"),
        "stop": (
            "stop", "stopall", "stop all", "unsubscribe", "unsubscribe me", "revoke", "optout",
            "opt out", "opt me out", "remove", "remove me", "td", "stop texting me",
            "stop messaging me", "stop messages", "stop texts", "no more texts",
            "no more messages", "do not text me", "don't text me", "do not contact me",
            "don't contact me", "do not text me again", "don't text me again",
            "don't text me anymore", "take me off", "leave me alone",
        ),
        "stop_unsure": ("cancel", "end", "quit"),
        "start": ("start", "unstop", "subscribe", "resume"),
        "thanks": ("thanks", "thank you", "thx", "ty", "thank you so much", "thanks a lot"),
    },
    "es": {
        "confirm": (
            "sí", "s", "uno", "confirmo", "confirmar", "confirmado", "confirmada", "sí confirmo",
            "confirmo mi cita", "de acuerdo", "vale", "claro", "ahí estaré", "allí estaré",
            "estaré ahí", "iré", "sí iré", "voy", "asistiré", "está bien", "por supuesto",
        ),
        "change": (
            "dos", "cambiar", "cambio", "cambiar cita", "cambiar mi cita", "cambiar la cita",
            "otra hora", "otro día", "reprogramar", "posponer", "necesito cambiar mi cita",
            "quiero cambiar mi cita", "no puedo ir", "no podré ir", "no puedo asistir",
            "cancelar cita", "cancelar mi cita", "cancelar la cita", "anular mi cita",
            "quiero cancelar mi cita", "necesito cancelar mi cita",
        ),
        "no": ("no", "nop"),
        "taken": ("tomado", "tomada", "tomé", "la tomé", "lo tomé", "ya la tomé", "ya lo tomé",
                  "ya tomé", "me la tomé"),
        "skip": ("omitir", "omitida", "omitido", "saltar", "no la tomé", "no lo tomé", "no tomé"),
        "help": ("ayuda", "información"),
        "stop": (
            "alto", "parar", "pare", "basta", "baja", "darme de baja", "dar de baja", "detener",
            "no más mensajes", "no quiero más mensajes", "no me escriban más",
            "no me escriba más", "no me envíen más mensajes", "no me manden más mensajes",
            "dejen de escribirme",
        ),
        "stop_unsure": ("cancelar", "fin", "salir", "terminar"),
        "start": ("empezar", "comenzar", "iniciar", "reanudar", "alta"),
        "thanks": ("gracias", "muchas gracias"),
    },
    "fr": {
        "confirm": (
            "oui", "un", "d'accord", "je confirme", "oui je confirme", "confirmer", "confirmé",
            "bien sûr", "entendu", "je serai là", "j'y serai", "je viendrai", "c'est bon",
        ),
        "change": (
            "deux", "changer", "modifier", "déplacer", "reporter", "autre heure",
            "une autre heure", "autre jour", "changer de rendez-vous", "changer mon rendez-vous",
            "reporter mon rendez-vous", "déplacer mon rendez-vous", "annuler mon rendez-vous",
            "annuler le rendez-vous", "je ne peux pas venir", "je ne pourrai pas venir",
        ),
        "no": ("non",),
        "taken": ("pris", "prise", "je l'ai pris", "je l'ai prise", "c'est pris"),
        "skip": ("sauté", "sauter", "pas pris", "pas prise", "non pris"),
        "help": ("aide", "informations"),
        "stop": (
            "arrêt", "arrêter", "arrêtez", "désabonner", "me désabonner", "désabonnement",
            "désinscrire", "désinscription", "plus de messages", "plus de SMS", "stop SMS",
            "je ne veux plus de messages", "ne m'écrivez plus", "arrêtez les messages",
            "arrêtez de m'écrire",
        ),
        "stop_unsure": ("annuler", "fin", "quitter", "terminer"),
        "start": ("démarrer", "commencer", "reprendre", "réabonner"),
        "thanks": ("merci", "merci beaucoup"),
    },
    "pt": {
        "confirm": (
            "sim", "s", "um", "confirmo", "confirmar", "confirmado", "confirmada", "está bem",
            "tudo bem", "certo", "combinado", "claro", "estarei lá", "vou sim", "irei", "eu vou",
            "com certeza",
        ),
        "change": (
            "dois", "mudar", "alterar", "remarcar", "reagendar", "trocar", "outro horário",
            "outra hora", "outro dia", "remarcar consulta", "remarcar minha consulta",
            "mudar minha consulta", "desmarcar", "desmarcar consulta", "cancelar consulta",
            "cancelar minha consulta", "cancelar a consulta", "não posso ir",
            "não vou poder ir", "não poderei ir",
        ),
        "no": ("não",),
        "taken": ("tomei", "já tomei", "eu tomei", "tomado", "tomada"),
        "skip": ("pular", "pulei", "saltei", "não tomei"),
        "help": ("ajuda", "informação", "informações"),
        "stop": (
            "parar", "pare", "sair da lista", "descadastrar", "remover",
            "não quero mais mensagens", "não me mande mais mensagens", "sem mais mensagens",
            "parem de me mandar mensagens",
        ),
        "stop_unsure": ("cancelar", "sair", "fim", "encerrar", "terminar"),
        "start": ("começar", "iniciar", "recomeçar"),
        "thanks": ("obrigado", "obrigada", "muito obrigado", "muito obrigada"),
    },
    "de": {
        "confirm": (
            "ja", "j", "eins", "ja gerne", "gerne", "bestätigen", "bestaetigen", "bestätigt",
            "ich bestätige", "in Ordnung", "einverstanden", "passt", "alles klar", "ich komme",
            "ich werde da sein", "bin dabei",
        ),
        "change": (
            "zwei", "ändern", "aendern", "verschieben", "verlegen", "anderer Termin",
            "neuer Termin", "andere Zeit", "Termin verschieben", "Termin ändern",
            "Termin absagen", "meinen Termin absagen", "absagen", "ich muss absagen",
            "ich kann nicht kommen", "ich muss den Termin verschieben",
        ),
        "no": ("nein", "nö"),
        "taken": ("genommen", "eingenommen", "habe ich genommen", "hab ich genommen"),
        "skip": ("ausgelassen", "auslassen", "nicht genommen", "übersprungen"),
        "help": ("Hilfe", "Informationen"),
        "stop": (
            "stopp", "abmelden", "abbestellen", "austragen", "aufhören", "keine Nachrichten mehr",
            "keine SMS mehr",
        ),
        "stop_unsure": ("abbrechen", "Ende", "beenden", "stornieren"),
        "start": ("starten", "anmelden", "fortsetzen"),
        "thanks": ("danke", "vielen Dank", "danke schön"),
    },
    "zh": {
        "confirm": (
            "是", "是的", "好", "好的", "一", "确认", "確認", "可以", "行", "没问题", "沒問題",
            "会来", "會來", "我会来", "我會來",
        ),
        "change": (
            "二", "更改", "改期", "改时间", "改時間", "换时间", "換時間", "改约", "改約",
            "更改预约", "更改預約", "取消预约", "取消預約", "来不了", "來不了", "我来不了",
            "我來不了", "不能来", "不能來",
        ),
        "no": ("不", "否", "不用", "不要", "不是"),
        "taken": ("吃了", "已吃", "已服", "服了", "已吃药", "已吃藥", "已服药", "已服藥"),
        "skip": ("跳过", "跳過", "没吃", "沒吃", "未服", "没服", "沒服"),
        "help": ("帮助", "幫助"),
        "stop": (
            "停止", "停", "退订", "退訂", "不要再发", "不要再發", "不要再发短信", "别再发短信",
            "不要再發短信", "別再發短信",
        ),
        "stop_unsure": ("取消", "结束", "結束", "退出"),
        "start": ("开始", "開始", "恢复", "恢復", "订阅", "訂閱"),
        "thanks": ("谢谢", "謝謝", "多谢", "多謝"),
    },
    "vi": {
        "confirm": (
            "có", "vâng", "dạ", "ừ", "đúng", "một", "được", "đồng ý", "xác nhận", "tôi xác nhận",
            "tôi sẽ đến",
        ),
        "change": (
            "hai", "đổi", "thay đổi", "đổi lịch", "đổi giờ", "đổi hẹn", "dời", "dời lịch",
            "hẹn lại", "hủy hẹn", "huỷ hẹn", "hủy lịch hẹn", "huỷ lịch hẹn", "không đến được",
            "tôi không đến được",
        ),
        "no": ("không", "không ạ"),
        "taken": ("đã uống", "uống rồi", "đã uống thuốc", "tôi đã uống"),
        "skip": ("bỏ qua", "chưa uống", "không uống"),
        "help": ("trợ giúp", "hỗ trợ"),
        "stop": (
            "dừng", "dừng lại", "ngừng", "ngưng", "hủy đăng ký", "huỷ đăng ký",
            "không nhắn nữa", "đừng nhắn nữa",
        ),
        "stop_unsure": ("hủy", "huỷ", "thoát", "kết thúc"),
        "start": ("bắt đầu", "tiếp tục", "đăng ký"),
        "thanks": ("cảm ơn", "cám ơn"),
    },
    "ht": {
        "confirm": ("wi", "dakò", "oke", "konfime", "mwen konfime", "m ap vini", "mwen ap vini",
                    "m ap la"),
        "change": (
            "chanje", "chanje randevou", "chanje randevou mwen", "lòt lè", "yon lòt lè",
            "lòt jou", "ranvwaye", "anile randevou", "anile randevou mwen", "m pa ka vini",
            "mwen pa ka vini",
        ),
        "no": ("non",),
        "taken": ("mwen pran l", "m pran l", "mwen pran li"),
        "skip": ("sote", "m pa pran l", "mwen pa pran l", "pa pran"),
        "help": ("èd", "enfòmasyon"),
        "stop": ("rete", "sispann", "dezabòne", "sispann ekri m", "pa ekri m ankò",
                 "pa voye mesaj ankò"),
        "stop_unsure": ("anile", "fini", "soti"),
        "start": ("kòmanse", "rekòmanse"),
        "thanks": ("mèsi", "mèsi anpil"),
    },
}  # fmt: skip

CARRIERS = (
    "arret", "arrêt", "cancel", "end", "opt out", "opt-out", "optout", "quit", "remove", "revoke",
    "stop", "stop all", "stopall", "td", "unsubscribe",
)  # fmt: skip
"""What carriers and AWS take for an opt-out when it is all that somebody answers; we do, too."""
OPT_OUTS = frozenset(
    phrase.casefold()
    for intents in WORDS.values()
    for intent in ("stop", "stop_unsure")
    for phrase in intents[intent]
) | frozenset(CARRIERS)
"""Every answer that ends the messages, which no text may offer as a choice."""

STOP_BEGINNINGS = (
    "stop texting", "stop messaging", "stop sending", "stop contacting", "unsubscribe from",
    "take me off", "remove me from", "dejen de enviar", "dejen de mandar", "arrêtez de m'envoyer",
)  # fmt: skip
"""What follows these changes nothing: any plain wording of a stop is one."""

COURTESIES = (
    "please", "pls", "plz", "thanks", "thank you", "thx", "ty", "hi", "hello", "hey",
    "good morning", "por favor", "gracias", "muchas gracias", "hola", "buenos días",
    "s'il vous plaît", "svp", "stp", "merci", "bonjour", "obrigado", "obrigada", "olá", "oi",
    "bom dia", "bitte", "danke", "vielen Dank", "hallo", "guten Tag", "请", "請", "谢谢", "謝謝",
    "你好", "cảm ơn", "cám ơn", "ạ", "xin", "tanpri", "mèsi",
)  # fmt: skip
"""Left out at both ends, so that `Hi, yes please` is a yes."""

YES_SIGNS = frozenset("👍👌✅✔☑🆗")
NO_SIGNS = frozenset("👎❌✖🚫")
THANKS_SIGNS = frozenset("🙏❤")
