"""What deploy/aws/notifier.yaml must say, each a defect that its forerunner had or could have."""

import json
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chroniccare import lambdas, settings
from chroniccare.notifications.daily import entry, rules
from chroniccare.notifications.daily.source import asked
from tests.deploy.template import NOTIFIER, actions, load, of_type, statements
from tests.notifications.support import NOON

TEMPLATE = load()
RESOURCES = TEMPLATE["Resources"]
ALARMS = of_type(TEMPLATE, "AWS::CloudWatch::Alarm")
TABLE = RESOURCES["NotificationLogTable"]
FUNCTION = RESOURCES["NotificationProcessorFunction"]["Properties"]
ROLES = ("ProcessorRole", "AccountRole", "ScheduleRole", "SmsStatusRole")
MEASURED = {*rules.metrics(rules.Report("x")), "DeliverySuccessRate", "RejectedEvents"}


@pytest.mark.parametrize("name", ALARMS)
def test_d05_each_alarm_acts_and_says_so_when_it_is_over(name: str) -> None:
    assert ALARMS[name]["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert ALARMS[name]["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert ALARMS[name]["AlarmDescription"]
    [subscription] = of_type(TEMPLATE, "AWS::SNS::Subscription").values()
    assert subscription["TopicArn"] == {"Ref": "AlarmTopic"}
    assert "Default" not in TEMPLATE["Parameters"]["AlarmEmail"]


@pytest.mark.parametrize(
    ("sent", "fallback", "failed", "alarms"),
    [(0, 0, 5, True), (2185, 0, 115, False), (2184, 0, 116, True), (1, 0, 0, False),
     (0, 0, 0, False), (0, 20, 1, False), (0, 10, 1, True)],
)  # fmt: skip
def test_d05_five_percent_is_a_share_not_a_count(
    sent: int, fallback: int, failed: int, *, alarms: bool
) -> None:
    alarm = ALARMS["DeliveryFailureAlarm"]
    [math] = [one for one in alarm["Metrics"] if "Expression" in one]
    found = re.fullmatch(r"IF\((.+), (.+), (.+)\)", math["Expression"])
    assert found is not None
    known = {"sent": sent, "fallback": fallback, "failed": failed}
    condition, then, otherwise = (one for one in found.groups())
    rate = eval(then if eval(condition, {}, known) else otherwise, {}, known)  # noqa: S307  ours
    assert (rate > alarm["Threshold"]) is alarms
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert {one["Id"] for one in alarm["Metrics"] if "MetricStat" in one} == known.keys()


def test_d05_silence_is_an_alarm() -> None:
    alarm = ALARMS["NoRunAlarm"]
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 25 * 3600
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")


def test_d43_alarms_look_at_what_the_function_measures_in_its_environment() -> None:
    looked = 0
    for alarm in ALARMS.values():
        asked_for = [alarm, *(one["MetricStat"]["Metric"] for one in alarm.get("Metrics", ())
                              if "MetricStat" in one)]  # fmt: skip
        for metric in asked_for:
            if metric.get("Namespace") == entry.NAMESPACE:
                looked += 1
                assert metric["MetricName"] in MEASURED
                assert metric["Dimensions"] == [
                    {"Name": "Environment", "Value": {"Ref": "EnvironmentSuffix"}}
                ]
    assert looked == 6
    assert FUNCTION["Environment"]["Variables"]["ENVIRONMENT_SUFFIX"] == {
        "Ref": "EnvironmentSuffix"
    }


def test_d06_the_spend_limit_is_applied_and_watched() -> None:
    account = RESOURCES["SmsAccount"]["Properties"]
    assert account["MonthlySpendLimit"] == {"Ref": "SNSSpendLimit"}
    assert account["ServiceToken"] == {"Fn::GetAtt": ["AccountFunction", "Arn"]}
    alarm = ALARMS["SpendAlarm"]
    [math] = [one for one in alarm["Metrics"] if "Expression" in one]
    assert math["Expression"] == {"Fn::Sub": "100 * spent / ${SNSSpendLimit}"}
    assert alarm["Threshold"] == 80


def test_d07_delivery_status_goes_somewhere() -> None:
    assert RESOURCES["SmsAccount"]["Properties"]["DeliveryStatusRole"] == {
        "Fn::GetAtt": ["SmsStatusRole", "Arn"]
    }
    [by_email] = of_type(TEMPLATE, "AWS::SES::ConfigurationSetEventDestination").values()
    assert by_email["EventDestination"]["SnsDestination"] == {
        "TopicARN": {"Ref": "NotificationTopic"}
    }
    assert {"bounce", "complaint", "delivery"} <= set(
        by_email["EventDestination"]["MatchingEventTypes"]
    )
    [by_text] = of_type(TEMPLATE, "AWS::SMSVOICE::ConfigurationSet").values()
    [told] = by_text["EventDestinations"]
    assert told["SnsDestination"] == {"TopicArn": {"Ref": "NotificationTopic"}}


def test_d08_the_time_to_live_is_switched_on_and_the_log_can_be_restored() -> None:
    made = TABLE["Properties"]
    assert made["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert made["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert made["BillingMode"] == "PAY_PER_REQUEST"
    assert [one["AttributeName"] for one in made["KeySchema"]] == ["notificationId", "timestamp"]
    [index] = made["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "PatientIndex"
    assert [one["AttributeName"] for one in index["KeySchema"]] == ["patientId", "timestamp"]


def test_d01_d29_the_clock_is_the_clinics_and_its_tick_is_understood() -> None:
    [made] = of_type(TEMPLATE, "AWS::Scheduler::Schedule").values()
    assert made["ScheduleExpressionTimezone"] == {"Ref": "ScheduleZone"}
    ZoneInfo(TEMPLATE["Parameters"]["ScheduleZone"]["Default"])
    tick = json.loads(made["Target"]["Input"])
    ticked = dict.fromkeys(tick, "2031-03-05T03:00:00Z")
    found = asked(ticked, now=NOON, zone_name="America/New_York")
    assert (found.rows, str(found.day)) == (None, "2031-03-04")


def test_d30_what_fails_for_good_is_kept() -> None:
    letters = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert FUNCTION["DeadLetterConfig"] == {"TargetArn": letters}
    [made] = of_type(TEMPLATE, "AWS::Scheduler::Schedule").values()
    assert made["Target"]["DeadLetterConfig"] == {"Arn": letters}
    [retries] = of_type(TEMPLATE, "AWS::Lambda::EventInvokeConfig").values()
    assert retries["MaximumRetryAttempts"] == 2


def test_d44_nothing_is_tagged_production_but_production() -> None:
    tagged = [one["Properties"]["Tags"] for one in RESOURCES.values()
              if "Tags" in one.get("Properties", {})]  # fmt: skip
    assert len(tagged) > 15
    assert all(
        {"Key": "Environment", "Value": {"Ref": "EnvironmentSuffix"}} in tags for tags in tagged
    )
    assert "Production" not in NOTIFIER.read_text(encoding="utf-8").replace("IsProduction", "")


@pytest.mark.parametrize(
    "name", ["DataKey", "NotificationLogTable", "AppointmentsBucket", "ProcessorLogGroup",
             "DeadLetterQueue"],
)  # fmt: skip
def test_d45_production_keeps_its_evidence(name: str) -> None:
    kept = {"Fn::If": ["IsProduction", "Retain", "Delete"]}
    assert RESOURCES[name]["DeletionPolicy"] == kept
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"
    assert TABLE["Properties"]["DeletionProtectionEnabled"] == {
        "Fn::If": ["IsProduction", True, False]
    }


def test_d46_everything_that_is_kept_is_encrypted_with_our_key() -> None:
    [key] = of_type(TEMPLATE, "AWS::KMS::Key")
    wanted = {"AWS::SNS::Topic": "KmsMasterKeyId", "AWS::SQS::Queue": "KmsMasterKeyId",
              "AWS::Logs::LogGroup": "KmsKeyId", "AWS::Lambda::Function": "KmsKeyArn",
              "AWS::Scheduler::Schedule": "KmsKeyArn"}  # fmt: skip
    for kind, name in wanted.items():
        made = of_type(TEMPLATE, kind)
        assert made
        for properties in made.values():
            assert properties[name] in ({"Ref": key}, {"Fn::GetAtt": [key, "Arn"]})
    assert TABLE["Properties"]["SSESpecification"]["KMSMasterKeyId"] == {"Ref": key}


@pytest.mark.parametrize("role", ROLES)
def test_d46_no_role_may_do_everything(role: str) -> None:
    for one in statements(TEMPLATE, role):
        assert "NotAction" not in one
        assert not [action for action in actions(one) if "*" in action]
        if one.get("Resource") == "*":
            # Neither has a resource of its own.
            assert actions(one) == [
                "sns:SetSMSAttributes", "sms-voice:SetTextMessageSpendLimitOverride"
            ]  # fmt: skip


def test_d02_texts_go_to_numbers_and_never_to_topics() -> None:
    [publishing] = [one for one in statements(TEMPLATE, "ProcessorRole")
                    if actions(one) == ["sns:Publish"]]  # fmt: skip
    assert publishing["NotResource"] == {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:*"}


def test_d47_names_are_clouds_own_and_the_runtime_lasts() -> None:
    fixed = {"TableName", "FunctionName", "RoleName", "TopicName", "BucketName", "QueueName",
             "AlarmName", "LogGroupName"}  # fmt: skip
    for name, one in RESOURCES.items():
        if one["Type"] != "AWS::Lambda::EventInvokeConfig":
            assert not fixed & one.get("Properties", {}).keys(), name
    for made in of_type(TEMPLATE, "AWS::Lambda::Function").values():
        assert (made["Runtime"], made["Architectures"]) == ("python3.13", ["arm64"])
        assert "Layers" not in made
    assert TEMPLATE["Parameters"]["ReservedConcurrency"]["Default"] == 0
    assert "arn:aws" not in NOTIFIER.read_text(encoding="utf-8")


def test_d48_the_code_is_a_package_and_its_handlers_are_there() -> None:
    for made in of_type(TEMPLATE, "AWS::Lambda::Function").values():
        assert made["Code"].keys() == {"S3Bucket", "S3Key"}
        module, _, name = made["Handler"].rpartition(".")
        assert module == "chroniccare.lambdas"
        assert callable(getattr(lambdas, name))


def test_what_the_template_sets_is_what_the_function_reads() -> None:
    variables = FUNCTION["Environment"]["Variables"]
    ours = {name for name in variables if name.startswith(settings.PREFIX)}
    assert ours <= {settings.variable(name) for name in settings.Settings.model_fields}
    shown: dict[str, Any] = dict.fromkeys(variables.keys() - ours, "a")
    shown["PLATFORM_URL"] = "https://api.clinic.example/"
    place = entry.Place.of(shown)
    assert (place.table, place.bucket, place.environment, place.zone, place.country) == tuple(
        "aaaaa"
    )
    assert (place.api_url, place.api_secret) == ("https://api.clinic.example", "a")
    with pytest.raises(entry.SetupError, match="NOTIFICATION_TABLE"):
        entry.Place.of({})


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("PlatformUrl", "", True),
        ("PlatformUrl", "https://api.clinic.example", True),
        ("PlatformUrl", "https://a1.execute-api.us-east-1.amazonaws.com/live", True),
        ("PlatformUrl", "http://api.clinic.example", False),
        ("PlatformUrl", "https://api.clinic.example?key=1", False),
        ("PlatformKeySecret", "", True),
        ("PlatformKeySecret", "clinic-prod/reminders-key", True),
        ("PlatformKeySecret", "*", False),
        ("PlatformKeySecret", "cck_live_a_key", False),
    ],
)  # fmt: skip
def test_sec_39_the_api_is_asked_over_tls_with_the_one_secret_that_is_named(
    name: str, value: str, *, fits: bool
) -> None:
    pattern = TEMPLATE["Parameters"][name]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) is fits
    role = TEMPLATE["Resources"]["ProcessorRole"]["Properties"]["Policies"][0]
    [(condition, reading, _)] = [
        one["Fn::If"] for one in role["PolicyDocument"]["Statement"]
        if "Fn::If" in one and one["Fn::If"][1]["Sid"] == "KeyOfTheApi"
    ]  # fmt: skip
    assert condition == "AsksThePlatform"
    assert actions(reading) == ["secretsmanager:GetSecretValue"]
    of_here = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
    assert reading["Resource"] == {"Fn::Sub": of_here + "${PlatformKeySecret}-??????"}
    [rule] = TEMPLATE["Rules"].values()
    assert rule["Assertions"][0]["Assert"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "PlatformKeySecret"}, ""]}]
    }


def test_the_exports_are_those_that_other_stacks_import() -> None:
    exported = {name: one["Export"]["Name"]["Fn::Sub"] for name, one in TEMPLATE["Outputs"].items()
                if "Export" in one}  # fmt: skip
    assert (
        exported.items()
        >= {
            "NotificationTopicArn": "NotificationTopicArn-${EnvironmentSuffix}",
            "LambdaFunctionArn": "NotificationProcessorArn-${EnvironmentSuffix}",
            "DynamoDBTableName": "NotificationLogTableName-${EnvironmentSuffix}",
        }.items()
    )
    assert {"EnvironmentSuffix", "EmailDomain", "SNSSpendLimit"} <= TEMPLATE["Parameters"].keys()
