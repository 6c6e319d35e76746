"""The notification stack, deployed on an emulator that enforces IAM, from the list to the alarm."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chroniccare.simulator.run import Simulator
from tests.aws.cloud import Deployed, wait_for
from tests.deploy.template import actions, statements
from tests.notifications.daily.conftest import CSV, visit

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
TODAY = datetime.now(UTC).date().isoformat()


def appointment(number: int, **changes: Any) -> dict[str, Any]:
    return visit(number, appointmentTime=TOMORROW.isoformat(), **changes)


def line(number: int, **changes: Any) -> str:
    return ",".join(str(value) for value in appointment(number, **changes).values()) + "\n"


def test_the_stack_stands_and_the_spend_limit_is_the_accounts(
    deployed: Deployed, simulator: Simulator
) -> None:
    assert simulator.account.sns_limit == "77"
    assert simulator.account.sns_status_role.startswith("arn:aws:iam::")
    exports = deployed.cloud.client("cloudformation").list_exports()["Exports"]
    assert {one["Name"]: one["Value"] for one in exports}.items() >= {
        "NotificationProcessorArn-test": deployed.outputs["LambdaFunctionArn"],
        "NotificationLogTableName-test": deployed.outputs["DynamoDBTableName"],
        "NotificationTopicArn-test": deployed.outputs["NotificationTopicArn"],
    }.items()


@pytest.mark.usefixtures("heard")  # before anything can fail: an alarm tells of itself once
def test_a_list_is_uploaded_the_clock_ticks_and_messages_are_there(deployed: Deployed) -> None:
    text = CSV + line(1) + line(2, phoneNumber="") + line(3, phoneNumber="12", email="") + "x\n"
    # Other stacks of this account have sent, too.
    texts, emails = Counter(deployed.texts()), Counter(deployed.emails())
    deployed.put(f"{TODAY}.csv", text)
    deployed.tick()
    wait_for(lambda: [one["status"]["S"] != "SENDING" for one in deployed.rows()] == [True] * 3,
             seconds=120, pause=1)  # fmt: skip
    assert Counter(deployed.texts()) - texts == {"+14155550001": 1}
    assert Counter(deployed.emails()) - emails == {"p2@example.com": 1}
    by_patient = {one["patientId"]["S"]: one for one in deployed.rows()}
    assert {name: one["status"]["S"] for name, one in by_patient.items()} == {
        "P1": "SMS_SENT", "P2": "EMAIL_SENT", "P3": "NO_CONTACT",
    }  # fmt: skip
    later = int((datetime.now(UTC) + timedelta(days=89)).timestamp())
    assert all(int(one["ttl"]["N"]) > later for one in by_patient.values())
    told = wait_for(lambda: metrics(deployed), seconds=20)[-1]
    assert (told["SuccessfulNotifications"], told["FallbackNotifications"]) == (1, 1)
    assert (told["FailedNotifications"], told["InvalidRows"]) == (2, 1)
    assert told["Environment"] == "test"


def test_a_patients_reminders_are_found_by_the_index(deployed: Deployed) -> None:
    asked = deployed.cloud.client("dynamodb").query(
        TableName=deployed.outputs["DynamoDBTableName"], IndexName="PatientIndex",
        KeyConditionExpression="patientId = :p", ExpressionAttributeValues={":p": {"S": "P1"}},
    )  # fmt: skip
    assert asked["Count"] == 1


def test_the_same_list_again_sends_only_what_is_new(deployed: Deployed) -> None:
    deployed.put(f"{TODAY}.csv", CSV + line(1) + line(4))
    before = deployed.texts()
    found = deployed.invoke({"date": TODAY})
    assert found["results"] == {"success": 2, "failed": 0, "fallback": 0}
    assert found["alreadySent"] == 1
    assert deployed.texts() == sorted([*before, "+14155550004"])
    event = {"appointments": [appointment(1), appointment(5)]}
    assert deployed.invoke(event)["alreadySent"] == 1
    assert deployed.invoke(event)["alreadySent"] == 2
    assert deployed.texts() == sorted([*before, "+14155550004", "+14155550005"])


def test_an_empty_list_is_a_400(deployed: Deployed) -> None:
    assert deployed.invoke({"appointments": []}) == {"error": "No appointments provided"}


@pytest.fixture(scope="module")
def heard(deployed: Deployed) -> Iterator[Any]:
    """What the topic of alarms says, as a function that returns the names of alarms so far."""
    queues, names = deployed.cloud.client("sqs"), set[str]()
    url = queues.create_queue(QueueName="alarms")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"},
    ]}  # fmt: skip
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    deployed.cloud.client("sns").subscribe(
        TopicArn=deployed.outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=arn["QueueArn"]
    )

    def so_far() -> set[str]:
        # MiniStack looks at its alarms when a metric is put.
        deployed.cloud.client("cloudwatch").put_metric_data(
            Namespace="Any", MetricData=[{"MetricName": "Look", "Value": 1}]
        )
        answer = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for one in answer.get("Messages", ()):
            told = json.loads(json.loads(one["Body"])["Message"])
            if told["NewStateValue"] == "ALARM":
                names.add(told["AlarmName"])
        return names

    yield so_far
    queues.delete_queue(QueueUrl=url)


def test_a_day_without_a_list_alarms(deployed: Deployed, heard: Any) -> None:
    alarm = deployed.resource("FunctionErrorAlarm")
    # It tells of itself once, and MiniStack counts errors of any function, so other stacks', too.
    deployed.cloud.client("cloudwatch").set_alarm_state(
        AlarmName=alarm, StateValue="OK", StateReason="before this test"
    )
    found = deployed.invoke({"date": "2031-01-01"})
    assert "appointments/2031-01-01.csv: is not in the bucket" in found["errorMessage"]
    wait_for(lambda: alarm in heard(), seconds=60, pause=1)


def test_an_event_that_failed_three_times_is_a_dead_letter(deployed: Deployed) -> None:
    queues, url = deployed.cloud.client("sqs"), deployed.outputs["DeadLetterQueueUrl"]
    functions, arn = deployed.cloud.client("lambda"), deployed.outputs["LambdaFunctionArn"]
    asked = json.loads(deployed.body)["Resources"]["NotificationProcessorFunction"]["Properties"]
    [logical, _] = asked["DeadLetterConfig"]["TargetArn"]["Fn::GetAtt"]
    assert deployed.resource(logical) == url
    # MiniStack's Lambda has dead letters, but its CloudFormation does not tell it where they go.
    queue = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    functions.update_function_configuration(
        FunctionName=arn, DeadLetterConfig={"TargetArn": queue["QueueArn"]}
    )
    event = {"date": "2031-02-03"}
    functions.invoke(FunctionName=arn, InvocationType="Event", Payload=json.dumps(event))
    [letter] = wait_for(lambda: queues.receive_message(QueueUrl=url).get("Messages"), seconds=180,
                        pause=1)  # fmt: skip
    # On AWS the body is the event; MiniStack puts it into an envelope, as for a destination.
    assert json.loads(letter["Body"])["requestPayload"] == event
    queues.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])


def test_what_the_function_measures_alarms(deployed: Deployed, heard: Any) -> None:
    bad = [appointment(20, phoneNumber="", email=""), "no row"]
    deployed.invoke({"appointments": bad})
    deployed.invoke({"appointments": "no list"})
    lines = wait_for(lambda: [one for one in metrics(deployed) if "RejectedEvents" in one],
                     seconds=20)  # fmt: skip
    # CloudWatch reads these lines out of the log by itself; the emulator does not.
    for one in [*lines, *(one for one in metrics(deployed) if one.get("FailedNotifications") == 2)]:
        [asked] = one["_aws"]["CloudWatchMetrics"]
        deployed.cloud.client("cloudwatch").put_metric_data(
            Namespace=asked["Namespace"],
            MetricData=[{"MetricName": wanted["Name"], "Value": one[wanted["Name"]],
                         "Unit": wanted["Unit"],
                         "Dimensions": [{"Name": "Environment", "Value": one["Environment"]}]}
                        for wanted in asked["Metrics"]],
        )  # fmt: skip
    wanted = {deployed.resource("RejectedEventAlarm")}
    wait_for(lambda: wanted <= heard(), seconds=60, pause=1)


def metrics(deployed: Deployed) -> list[dict[str, Any]]:
    """Return the lines of metrics in the function's log."""
    client, group = deployed.cloud.client("logs"), deployed.resource("ProcessorLogGroup")
    found = client.filter_log_events(logGroupName=group)["events"]
    lines = [text for one in found for text in one["message"].splitlines()]
    return [json.loads(text) for text in lines if text.startswith('{"_aws"')]


def test_no_log_line_of_the_function_holds_a_patient(deployed: Deployed) -> None:
    client, group = deployed.cloud.client("logs"), deployed.resource("ProcessorLogGroup")
    told = json.dumps(client.filter_log_events(logGroupName=group)["events"])
    assert "run over" in told
    for secret in ("415555", "example.com", "Oak Clinic", "Lee"):
        assert secret not in told


ELSEWHERE = {
    "logs:CreateLogStream": "MiniStack writes a function's log by itself",
    "logs:PutLogEvents": "as above",
    "kms:Decrypt": "MiniStack asks nobody before it decrypts",
    "kms:GenerateDataKey": "as above",
    "s3:ListBucket": "MiniStack says 404 of a missing file whoever asks",
    "sqs:SendMessage": "MiniStack's Lambda needs no right to a dead-letter queue",
    "sms-voice:SendTextMessage": "MiniStack has no End User Messaging; not in this deployment",
    "ses:SendRawEmail": "AWS asks for it too, as messages are raw; MiniStack does not",
    "secretsmanager:GetSecretValue": "of a stack with PlatformUrl; this one has none",
    "lambda:InvokeFunction": "needs a run longer than Lambda's limit: tests/notifications/daily",
}
"""Actions of the role that no test here can miss, and why; tests/deploy holds them to resources."""
NEEDED = ("sns:Publish", "ses:SendEmail", "dynamodb:BatchGetItem", "dynamodb:UpdateItem",
          "s3:GetObject")  # fmt: skip


def test_sec_39_every_action_of_the_role_is_known_here(deployed: Deployed) -> None:
    template = json.loads(deployed.body)
    named = {action for one in statements(template, "ProcessorRole") for action in actions(one)}
    assert named == {*NEEDED, *ELSEWHERE}


@pytest.mark.parametrize("action", NEEDED)
def test_sec_39_without_any_one_action_something_fails(deployed: Deployed, action: str) -> None:
    client, role = deployed.cloud.client("iam"), deployed.resource("ProcessorRole")
    name = "send-reminders"
    whole = client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    number = 30 + NEEDED.index(action)
    rows = [appointment(number), appointment(number + 10, phoneNumber="")]
    deployed.put("2031-01-02.json", json.dumps(rows))

    def put(document: Any) -> None:
        client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    less = json.loads(json.dumps(whole))
    for one in less["Statement"]:
        one["Action"] = [left for left in actions(one) if left != action]
    less["Statement"] = [one for one in less["Statement"] if one["Action"]]
    put(less)
    try:
        found = deployed.invoke({"date": "2031-01-02"})
    finally:
        put(whole)
    wanted = {"success": 1, "failed": 0, "fallback": 1}
    assert found.get("results") != wanted
    if action != "sns:Publish":  # whose rows go out by email
        assert "configuration" in json.dumps(found)
        assert deployed.invoke({"date": "2031-01-02"})["results"] == wanted


def test_an_update_of_the_stack_reaches_the_account(
    deployed: Deployed, simulator: Simulator
) -> None:
    assert deployed.apply(SNSSpendLimit="88") == "UPDATE_COMPLETE"
    assert simulator.account.sns_limit == "88"
