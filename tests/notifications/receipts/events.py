"""Events as AWS documents them; ids are replaced by what a test names."""

from typing import Any

EUM: dict[str, Any] = {
    "eventType": "TEXT_DELIVERED",
    "eventVersion": "1.0",
    "eventTimestamp": 1686975103470,
    "isFinal": True,
    "originationPhoneNumber": "+12065550152",
    "destinationPhoneNumber": "+14255550156",
    "isoCountryCode": "US",
    "mcc": "310",
    "mnc": "800",
    "messageId": "862a8790-60c0-4430-9b2b-658bdexample",
    "messageRequestTimestamp": 1686975103170,
    "messageEncoding": "GSM",
    "messageType": "TRANSACTIONAL",
    "messageStatus": "DELIVERED",
    "messageStatusDescription": "Message has been accepted by phone",
    "context": {"account": "bar"},
    "totalMessageParts": 1,
    "totalMessagePrice": 0.09582,
    "totalCarrierFee": 0.0,
}
EUM_BRIDGE: dict[str, Any] = {
    "version": "0",
    "id": "15226fe5-c283-a862-e5e5-0a29ad450fd9",
    "detail-type": "Text Message Delivery Status Updated",
    "source": "aws.sms-voice",
    "account": "123456789123",
    "time": "2024-10-16T17:21:40Z",
    "region": "eu-west-2",
    "resources": [],
    "detail": {**EUM, "eventTimestamp": 1729099299998},
}

_MAIL: dict[str, Any] = {
    "timestamp": "2016-10-14T05:02:16.645Z",
    "source": "sender@example.com",
    "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/sender@example.com",
    "sendingAccountId": "123456789012",
    "messageId": "7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
    "destination": ["recipient@example.com"],
    "headersTruncated": False,
    "commonHeaders": {"subject": "Message sent from Amazon SES", "to": ["recipient@example.com"]},
    "tags": {
        "ses:configuration-set": ["ConfigSet"],
        "ses:source-ip": ["192.0.2.0"],
        "ses:from-domain": ["example.com"],
    },
}
SES_DELIVERY: dict[str, Any] = {
    "eventType": "Delivery",
    "mail": _MAIL,
    "delivery": {
        "timestamp": "2016-10-19T23:21:04.133Z",
        "processingTimeMillis": 11893,
        "recipients": ["recipient@example.com"],
        "smtpResponse": "250 2.6.0 Message received",
        "reportingMTA": "mta.example.com",
    },
}
SES_BOUNCE: dict[str, Any] = {
    "eventType": "Bounce",
    "mail": _MAIL,
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [
            {
                "emailAddress": "recipient@example.com",
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }
        ],
        "timestamp": "2017-08-05T00:41:02.669Z",
        "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
        "reportingMTA": "dsn; mta.example.com",
    },
}
SES_COMPLAINT: dict[str, Any] = {
    "eventType": "Complaint",
    "mail": _MAIL,
    "complaint": {
        "complainedRecipients": [{"emailAddress": "recipient@example.com"}],
        "timestamp": "2017-08-05T00:41:02.669Z",
        "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": "2017-08-05T00:41:02.669Z",
    },
}
SES_REJECT: dict[str, Any] = {
    "eventType": "Reject",
    "mail": _MAIL,
    "reject": {"reason": "Bad content"},
}
SES_DELAY: dict[str, Any] = {
    "eventType": "DeliveryDelay",
    "mail": _MAIL,
    "deliveryDelay": {
        "timestamp": "2020-06-16T00:25:40.095Z",
        "delayType": "TransientCommunicationFailure",
        "expirationTime": "2020-06-16T00:25:40.914Z",
        "delayedRecipients": [
            {
                "emailAddress": "recipient@example.com",
                "status": "4.4.1",
                "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
            }
        ],
    },
}
SES_SEND: dict[str, Any] = {"eventType": "Send", "mail": _MAIL, "send": {}}
SES_SUBSCRIPTION: dict[str, Any] = {
    "eventType": "Subscription",
    "mail": _MAIL,
    "subscription": {
        "contactList": "ContactListName",
        "timestamp": "2022-01-12T01:00:17.910Z",
        "source": "UnsubscribeHeader",
        "newTopicPreferences": {
            "unsubscribeAll": True,
            "topicSubscriptionStatus": [
                {"topicName": "ExampleTopicName", "subscriptionStatus": "OptOut"}
            ],
        },
        "oldTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": []},
    },
}
SES_BRIDGE: dict[str, Any] = {
    "version": "0",
    "id": "12a18625-3cd8-a4c9-9b6f-example",
    "detail-type": "Email Bounced",
    "source": "aws.ses",
    "account": "123456789012",
    "time": "2017-08-05T00:41:02Z",
    "region": "us-east-1",
    "resources": ["arn:aws:ses:us-east-1:123456789012:configuration-set/ConfigSet"],
    "detail": SES_BOUNCE,
}
SES_NOTIFICATION: dict[str, Any] = {
    "notificationType": "Bounce",
    "bounce": SES_BOUNCE["bounce"],
    "mail": {name: value for name, value in _MAIL.items() if name != "tags"},
}

SNS_SUCCESS: dict[str, Any] = {
    "notification": {
        "messageId": "34d9b400-c6dd-5444-820d-fbeb0f1f54cf",
        "timestamp": "2016-06-28 00:40:34.558",
    },
    "delivery": {
        "phoneCarrier": "My Phone Carrier",
        "mnc": 270,
        "numberOfMessageParts": 1,
        "destination": "+1XXX5550100",
        "priceInUSD": 0.00645,
        "smsType": "Transactional",
        "mcc": 310,
        "providerResponse": "Message has been accepted by phone carrier",
        "dwellTimeMs": 599,
        "dwellTimeMsUntilDeviceAck": 1344,
    },
    "status": "SUCCESS",
}
SNS_FAILURE: dict[str, Any] = {
    "notification": {
        "messageId": "1077257a-92f3-5ca3-bc97-6a915b310625",
        "timestamp": "2016-06-28 00:40:34.559",
    },
    "delivery": {
        "mnc": 0,
        "numberOfMessageParts": 1,
        "destination": "+1XXX5550100",
        "priceInUSD": 0.00645,
        "smsType": "Transactional",
        "mcc": 0,
        "providerResponse": "Unknown error attempting to reach phone",
        "dwellTimeMs": 1420,
        "dwellTimeMsUntilDeviceAck": 1692,
    },
    "status": "FAILURE",
}


def says(text: str) -> dict[str, Any]:
    """Return a failure in SNS's log with the provider's words."""
    return {**SNS_FAILURE, "delivery": {**SNS_FAILURE["delivery"], "providerResponse": text}}


def tagged(event: dict[str, Any], attempt_id: object) -> dict[str, Any]:
    """Return SES's event with our tag."""
    mail = event["mail"]
    tags = {**mail.get("tags", {}), "attempt": [str(attempt_id)]}
    return {**event, "mail": {**mail, "tags": tags}}


def text(name: str, **changes: Any) -> dict[str, Any]:
    """Return End User Messaging's event of this type."""
    return {**EUM, "eventType": name, "messageStatus": name.removeprefix("TEXT_"), **changes}
