"""The CloudFormation template is valid, and opens and allows no more than it must."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.clouds import DEPLOY, assert_quiet, yaml

TEMPLATE = DEPLOY / "aws-ec2" / "topfive.yaml"


def test_the_template_is_clean() -> None:
    """cfn-lint has nothing to say about the CloudFormation template, not even advice."""
    linter = shutil.which("cfn-lint", path=Path(sys.executable).parent) or shutil.which("cfn-lint")
    if not linter:
        pytest.skip("cfn-lint is not installed")
    assert_quiet(linter, "--include-checks", "I", "--template", TEMPLATE)


class _Template(yaml.SafeLoader):  # type: ignore[misc, name-defined]
    """Reads !Ref and its like as what they are applied to."""


def _read_tag(loader: Any, _suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


_Template.add_multi_constructor("!", _read_tag)


def _resources() -> dict[str, Any]:
    return {
        name: one.get("Properties", {})
        for name, one in yaml.load(TEMPLATE.read_text(), _Template)["Resources"].items()
    }


def test_aws_opens_two_ports_alone() -> None:
    """80 and 443 are open to all; SSH to a range that must be given."""
    rules = _resources()["Firewall"]["SecurityGroupIngress"]
    plain = [rule for rule in rules if isinstance(rule, dict)]
    assert {rule["FromPort"] for rule in plain} == {rule["ToPort"] for rule in plain} == {80, 443}
    (ssh,) = [rule for rule in rules if isinstance(rule, list)]
    assert ssh[0] == "HasSsh"
    assert ssh[1]["CidrIp"] == "SshCidr"


def test_aws_gives_the_machine_few_rights() -> None:
    """It may write to its own log group; there are no managed policies and no other wildcards."""
    role = _resources()["Role"]
    assert "ManagedPolicyArns" not in role
    (logs, session) = [one["PolicyDocument"]["Statement"] for one in role["Policies"]]
    assert "log-group:/topfive/" in logs[0]["Resource"]
    services = {action.split(":")[0] for action in session[0]["Action"]}
    assert services == {"ssm", "ssmmessages", "ec2messages"}
    assert not [action for one in (logs, session) for action in one[0]["Action"] if "*" in action]


def test_aws_protects_disk_and_credentials() -> None:
    """The disk is encrypted; the metadata service asks for tokens and answers no container."""
    resources = _resources()
    (disk,) = resources["Instance"]["BlockDeviceMappings"]
    assert (disk["Ebs"]["VolumeType"], disk["Ebs"]["Encrypted"]) == ("gp3", True)
    metadata = resources["Launch"]["LaunchTemplateData"]["MetadataOptions"]
    assert (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]) == ("required", 1)
