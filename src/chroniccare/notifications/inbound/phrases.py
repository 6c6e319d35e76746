"""What answers to replies say, by language and kind; `texts` puts days and codes into them.

Every language that replies are read in: who writes in one can read the answer in it. STOP and START
are understood whatever the language.
"""

# ruff: noqa: RUF001  punctuation of Chinese

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "reply_confirmed": "Thank you. Your visit on {when} is confirmed. To change it, reply 2.",
        "reply_changing": (
            "Thank you. The clinic will contact you about another time. Until then your visit "
            "on {when} stays as it is."
        ),
        "reply_will_call": (
            "Thank you. Someone at the clinic will read your message and contact you."
        ),
        "reply_outdated": (
            "That visit has changed since we wrote to you. Please see our latest message or "
            "call the clinic."
        ),
        "reply_nothing_open": (
            "There is nothing to confirm for this number just now. Questions? Please call the "
            "clinic."
        ),
        "reply_which": (
            "Which visit? To confirm, reply {codes}. To change one, reply 2 and its letter. "
            "{choices}"
        ),
        "reply_visit_or_doses": (
            "Your visit or your medicine? To confirm a visit, reply {codes}. For your medicine, "
            "reply TAKEN or SKIP. {choices}"
        ),
        "reply_doses_changed": "Thank you. We have corrected what we noted about your medicine.",
        "reply_offer_over": "That time is no longer free. We will write when another one is.",
        "reply_offer_declined": "Thank you. The time is free for somebody else.",
        "reply_stopped": (
            "{clinic}: you will get no more text messages from us. To get them again, reply START."
        ),
        "reply_started": "{clinic}: you will get our text messages again. Reply HELP for help.",
        "reply_help": (
            "{clinic}: reminders of your visits. For help, call the clinic. To get no more "
            "texts, reply STOP. Message and data rates may apply."
        ),
    },
    "es": {
        "reply_confirmed": (
            "Gracias. Su cita del {when} queda confirmada. Para cambiarla, responda 2."
        ),
        "reply_changing": (
            "Gracias. La clínica le llamará para buscar otra hora. Hasta entonces su cita del "
            "{when} sigue en pie."
        ),
        "reply_will_call": "Gracias. Alguien de la clínica leerá su mensaje y le responderá.",
        "reply_outdated": (
            "Esa cita ha cambiado desde que le escribimos. Vea nuestro último mensaje o llame "
            "a la clínica."
        ),
        "reply_nothing_open": (
            "Ahora no hay nada que confirmar para este número. Si tiene dudas, llame a la clínica."
        ),
        "reply_which": (
            "¿Qué cita? Para confirmar, responda {codes}. Para cambiar una, responda 2 y su "
            "letra. {choices}"
        ),
        "reply_visit_or_doses": (
            "¿Su cita o su medicina? Para confirmar una cita, responda {codes}. Para su medicina, "
            "responda TOMADO u OMITIR. {choices}"
        ),
        "reply_doses_changed": "Gracias. Hemos corregido lo que anotamos sobre su medicina.",
        "reply_offer_over": "Esa hora ya no está libre. Le escribiremos cuando haya otra.",
        "reply_offer_declined": "Gracias. La hora queda libre para otra persona.",
        "reply_stopped": (
            "{clinic}: no recibirá más mensajes de texto. Para volver a recibirlos, responda START."
        ),
        "reply_started": (
            "{clinic}: volverá a recibir nuestros mensajes. Responda AYUDA para más información."
        ),
        "reply_help": (
            "{clinic}: recordatorios de sus citas. Para ayuda, llame a la clínica. Para no "
            "recibir más, responda STOP. Pueden aplicarse tarifas."
        ),
    },
    "fr": {
        "reply_confirmed": (
            "Merci. Votre rendez-vous du {when} est confirmé. Pour le changer, répondez 2."
        ),
        "reply_changing": (
            "Merci. La clinique vous contactera pour trouver une autre heure. D'ici là, votre "
            "rendez-vous du {when} est maintenu."
        ),
        "reply_will_call": (
            "Merci. Une personne de la clinique lira votre message et vous contactera."
        ),
        "reply_outdated": (
            "Ce rendez-vous a changé depuis notre message. Consultez notre dernier message ou "
            "appelez la clinique."
        ),
        "reply_nothing_open": (
            "Rien à confirmer pour ce numéro en ce moment. Des questions ? Appelez la clinique."
        ),
        "reply_which": (
            "Quel rendez-vous ? Pour confirmer, répondez {codes}. Pour en changer un, répondez "
            "2 et sa lettre. {choices}"
        ),
        "reply_visit_or_doses": (
            "Votre rendez-vous ou votre médicament ? Pour confirmer un rendez-vous, répondez "
            "{codes}. Pour votre médicament, répondez PRIS ou SAUTÉ. {choices}"
        ),
        "reply_doses_changed": (
            "Merci. Nous avons corrigé ce que nous avions noté sur votre médicament."
        ),
        "reply_offer_over": (
            "Cette heure n'est plus libre. Nous vous écrirons quand il y en aura une autre."
        ),
        "reply_offer_declined": "Merci. L'heure est libre pour quelqu'un d'autre.",
        "reply_stopped": (
            "{clinic} : vous ne recevrez plus nos SMS. Pour les recevoir à nouveau, répondez START."
        ),
        "reply_started": (
            "{clinic} : vous recevrez à nouveau nos SMS. Répondez AIDE pour de l'aide."
        ),
        "reply_help": (
            "{clinic} : rappels de vos rendez-vous. Pour de l'aide, appelez la clinique. Pour "
            "ne plus recevoir de SMS, répondez STOP. Des frais peuvent s'appliquer."
        ),
    },
    "pt": {
        "reply_confirmed": (
            "Obrigado. Sua consulta de {when} está confirmada. Para mudar, responda 2."
        ),
        "reply_changing": (
            "Obrigado. A clínica entrará em contato para encontrar outro horário. Até lá, sua "
            "consulta de {when} está mantida."
        ),
        "reply_will_call": "Obrigado. Alguém da clínica lerá sua mensagem e entrará em contato.",
        "reply_outdated": (
            "Essa consulta mudou desde a nossa mensagem. Veja nossa última mensagem ou ligue "
            "para a clínica."
        ),
        "reply_nothing_open": (
            "Não há nada a confirmar para este número agora. Dúvidas? Ligue para a clínica."
        ),
        "reply_which": (
            "Qual consulta? Para confirmar, responda {codes}. Para mudar uma, responda 2 e a "
            "letra. {choices}"
        ),
        "reply_visit_or_doses": (
            "A sua consulta ou o seu remédio? Para confirmar uma consulta, responda {codes}. Para "
            "o remédio, responda TOMEI ou PULEI. {choices}"
        ),
        "reply_doses_changed": "Obrigado. Corrigimos o que anotamos sobre o seu remédio.",
        "reply_offer_over": "Esse horário não está mais livre. Escreveremos quando houver outro.",
        "reply_offer_declined": "Obrigado. O horário fica livre para outra pessoa.",
        "reply_stopped": (
            "{clinic}: você não receberá mais nossas mensagens. Para voltar a recebê-las, "
            "responda START."
        ),
        "reply_started": (
            "{clinic}: você voltará a receber nossas mensagens. Responda AJUDA para obter ajuda."
        ),
        "reply_help": (
            "{clinic}: lembretes das suas consultas. Para ajuda, ligue para a clínica. Para "
            "não receber mais mensagens, responda STOP. Podem ser cobradas tarifas."
        ),
    },
    "de": {
        "reply_confirmed": (
            "Danke. Ihr Termin am {when} ist bestätigt. Zum Ändern antworten Sie mit 2."
        ),
        "reply_changing": (
            "Danke. Die Praxis meldet sich wegen eines anderen Termins. Bis dahin bleibt Ihr "
            "Termin am {when} bestehen."
        ),
        "reply_will_call": (
            "Danke. Jemand aus der Praxis liest Ihre Nachricht und meldet sich bei Ihnen."
        ),
        "reply_outdated": (
            "Dieser Termin hat sich seit unserer Nachricht geändert. Bitte sehen Sie unsere "
            "letzte Nachricht an oder rufen Sie die Praxis an."
        ),
        "reply_nothing_open": (
            "Für diese Nummer gibt es zurzeit nichts zu bestätigen. Fragen? Rufen Sie bitte "
            "die Praxis an."
        ),
        "reply_which": (
            "Welcher Termin? Zum Bestätigen antworten Sie mit {codes}. Zum Ändern mit 2 und "
            "dem Buchstaben. {choices}"
        ),
        "reply_visit_or_doses": (
            "Ihr Termin oder Ihr Medikament? Um einen Termin zu bestätigen, antworten Sie "
            "{codes}. Für Ihr Medikament antworten Sie GENOMMEN oder AUSGELASSEN. {choices}"
        ),
        "reply_doses_changed": (
            "Danke. Wir haben berichtigt, was wir zu Ihrem Medikament notiert hatten."
        ),
        "reply_offer_over": (
            "Diese Zeit ist nicht mehr frei. Wir schreiben, sobald es eine andere gibt."
        ),
        "reply_offer_declined": "Danke. Die Zeit ist frei für jemand anderen.",
        "reply_stopped": (
            "{clinic}: Sie erhalten keine SMS mehr von uns. Um sie wieder zu erhalten, "
            "antworten Sie mit START."
        ),
        "reply_started": (
            "{clinic}: Sie erhalten wieder SMS von uns. Für Hilfe antworten Sie mit HILFE."
        ),
        "reply_help": (
            "{clinic}: Erinnerungen an Ihre Termine. Für Hilfe rufen Sie bitte die Praxis an. "
            "Um keine SMS mehr zu erhalten, antworten Sie mit STOP. Es können Gebühren "
            "anfallen."
        ),
    },
    "zh": {
        "reply_confirmed": "谢谢。您 {when} 的就诊已确认。如需更改，请回复 2。",
        "reply_changing": "谢谢。诊所会联系您另约时间。在此之前，您 {when} 的就诊保持不变。",
        "reply_will_call": "谢谢。诊所的工作人员会阅读您的短信并与您联系。",
        "reply_outdated": "我们发短信之后，这次就诊已有变动。请看我们最新的短信，或致电诊所。",
        "reply_nothing_open": "此号码目前没有需要确认的就诊。如有疑问，请致电诊所。",
        "reply_which": "是哪一次就诊？确认请回复 {codes}。更改请回复 2 加字母。{choices}",
        "reply_visit_or_doses": (
            "您说的是预约还是用药？确认预约请回复 {codes}。用药请回复“已服”或“跳过”。{choices}"
        ),
        "reply_doses_changed": "谢谢。我们已更正您的用药记录。",
        "reply_offer_over": "这个时间已不再空着。有新的时间时，我们会再通知您。",
        "reply_offer_declined": "谢谢。这个时间将留给其他人。",
        "reply_stopped": "{clinic}：您将不再收到我们的短信。如需恢复，请回复 START。",
        "reply_started": "{clinic}：您将重新收到我们的短信。需要帮助请回复“帮助”。",
        "reply_help": (
            "{clinic}：就诊提醒。如需帮助，请致电诊所。不想再收到短信，请回复 "
            "STOP。可能产生短信费用。"
        ),
    },
    "vi": {
        "reply_confirmed": "Cảm ơn quý vị. Buổi hẹn {when} đã được xác nhận. Để đổi, trả lời 2.",
        "reply_changing": (
            "Cảm ơn quý vị. Phòng khám sẽ liên lạc để tìm giờ khác. Cho đến lúc đó, buổi hẹn "
            "{when} vẫn giữ nguyên."
        ),
        "reply_will_call": (
            "Cảm ơn quý vị. Nhân viên phòng khám sẽ đọc tin nhắn và liên lạc với quý vị."
        ),
        "reply_outdated": (
            "Buổi hẹn đó đã thay đổi sau khi chúng tôi nhắn tin. Xin xem tin nhắn mới nhất "
            "hoặc gọi phòng khám."
        ),
        "reply_nothing_open": (
            "Hiện không có gì cần xác nhận cho số này. Nếu có thắc mắc, xin gọi phòng khám."
        ),
        "reply_which": (
            "Buổi hẹn nào? Để xác nhận, trả lời {codes}. Để đổi, trả lời 2 và chữ cái. {choices}"
        ),
        "reply_visit_or_doses": (
            "Về lịch hẹn hay về thuốc? Để xác nhận lịch hẹn, trả lời {codes}. Về thuốc, trả lời "
            "ĐÃ UỐNG hoặc BỎ QUA. {choices}"
        ),
        "reply_doses_changed": "Cảm ơn. Chúng tôi đã sửa lại điều đã ghi về thuốc của quý vị.",
        "reply_offer_over": "Giờ đó không còn trống. Chúng tôi sẽ nhắn khi có giờ khác.",
        "reply_offer_declined": "Cảm ơn quý vị. Giờ này sẽ dành cho người khác.",
        "reply_stopped": (
            "{clinic}: quý vị sẽ không nhận tin nhắn của chúng tôi nữa. Để nhận lại, trả lời START."
        ),
        "reply_started": (
            "{clinic}: quý vị sẽ nhận lại tin nhắn của chúng tôi. Trả lời HELP để được trợ giúp."
        ),
        "reply_help": (
            "{clinic}: nhắc hẹn khám. Cần trợ giúp, xin gọi phòng khám. Để không nhận tin nhắn "
            "nữa, trả lời STOP. Có thể tính phí tin nhắn."
        ),
    },
    "ht": {
        "reply_confirmed": "Mèsi. Randevou ou {when} konfime. Pou chanje l, reponn 2.",
        "reply_changing": (
            "Mèsi. Klinik la ap kontakte w pou yon lòt lè. Jiskaske sa fèt, randevou ou {when} "
            "rete menm jan."
        ),
        "reply_will_call": "Mèsi. Yon moun nan klinik la ap li mesaj ou a epi l ap kontakte w.",
        "reply_outdated": (
            "Randevou sa a chanje depi nou te ekri w. Tanpri gade dènye mesaj nou an oswa rele "
            "klinik la."
        ),
        "reply_nothing_open": (
            "Pa gen anyen pou konfime pou nimewo sa a kounye a. Si w gen kesyon, rele klinik la."
        ),
        "reply_which": (
            "Ki randevou? Pou konfime, reponn {codes}. Pou chanje youn, reponn 2 ak lèt li. "
            "{choices}"
        ),
        "reply_visit_or_doses": (
            "Randevou w oswa medikaman w? Pou konfime yon randevou, reponn {codes}. Pou medikaman "
            "w, reponn MWEN PRAN L oswa SOTE. {choices}"
        ),
        "reply_doses_changed": "Mèsi. Nou korije sa nou te note sou medikaman w.",
        "reply_offer_over": "Lè sa a pa lib ankò. N ap ekri w lè gen yon lòt.",
        "reply_offer_declined": "Mèsi. Lè sa a lib pou yon lòt moun.",
        "reply_stopped": (
            "{clinic}: ou p ap resevwa mesaj tèks nou ankò. Pou rekòmanse resevwa yo, reponn START."
        ),
        "reply_started": (
            "{clinic}: w ap rekòmanse resevwa mesaj tèks nou. Reponn HELP pou jwenn èd."
        ),
        "reply_help": (
            "{clinic}: rapèl randevou. Pou èd, rele klinik la. Pou pa resevwa mesaj ankò, "
            "reponn STOP. Frè mesaj ka aplike."
        ),
    },
}
OR = {
    "en": " or ",
    "es": " o ",
    "fr": " ou ",
    "pt": " ou ",
    "de": " oder ",
    "zh": " 或 ",
    "vi": " hoặc ",
    "ht": " oswa ",
}
