#!/usr/bin/env bash
# Puts topfive on one EC2 machine: see --help.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/../steps.sh"

REGION=
SSH_FROM=
KEY_NAME=
LOG_DAYS=30
MACHINE=c7i.large
IMAGE_PARAMETER=/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id

explain() {
  cat <<END
$PROGRAM: topfive on one EC2 machine, as the CloudFormation stack NAME.

  $PROGRAM --region eu-central-1 --source https://git.example.org/topfive.git --ref v0.1.0 \\
      --domain pictures.example.org

Run again with other options it changes the stack. What serves on the machine, its domain and its keys
are then changed on the machine: by topfive-deploy, and in /opt/topfive/.env.

END
  explain_shared_options
  cat <<'END'
  --region REGION    where (needed)
  --machine TYPE     its type, x86-64 (default: c7i.large, 2 vCPU and 4 GiB)
  --ssh-from CIDR    who may reach port 22 (default: nobody; Session Manager needs no port)
  --key-name NAME    a key pair of EC2 for SSH
  --log-days DAYS    how long CloudWatch keeps the logs (default: 30)
END
  explain_common_options
}

take_own_option() {
  case $1 in
    --region) REGION=$2 ;;
    --machine) MACHINE=$2 ;;
    --ssh-from) SSH_FROM=$2 ;;
    --key-name) KEY_NAME=$2 ;;
    --log-days) LOG_DAYS=$2 ;;
    *) take_service_option "$1" "$2" ;;
  esac
}

check_own_options() {
  check_form --region "$REGION" '^[a-z]{2}(-[a-z]+)+-[0-9]$' 'name a region, such as eu-central-1'
  check_form --machine "$MACHINE" '^[a-z0-9-]+\.[a-z0-9]+$' 'name a type of machine, such as c7i.large'
  check_form_if_set --ssh-from "$SSH_FROM" '^[0-9]{1,3}(\.[0-9]{1,3}){3}/([1-9]|[12][0-9]|3[0-2])$' \
    'give an IPv4 range, such as 203.0.113.7/32'
  check_form_if_set --key-name "$KEY_NAME" '^[A-Za-z0-9._-]+$' 'give the name of a key pair of EC2'
  check_form --log-days "$LOG_DAYS" '^(1|3|5|7|14|30|60|90|120|150|180|365|400|545|731)$' \
    'CloudWatch knows 1 3 5 7 14 30 60 90 120 150 180 365 400 545 731'
}

# Parameters of an existing stack that are not given stay as they are: those that another machine
# would be needed for, and the first settings, which a machine reads only once.
write_parameters() { # WITH-MACHINE
  parameter InstanceType "$MACHINE"
  parameter Domain "$DOMAIN"
  parameter SshCidr "$SSH_FROM"
  parameter LogRetentionDays "$LOG_DAYS"
  if [ -n "$1" ]; then
    parameter ImageId "$IMAGE_ID"
    parameter DiskGb "$DISK_GB"
    parameter KeyName "$KEY_NAME"
    local data number
    data=$(render_cloud_init aws "$REGION" "/topfive/$NAME" | gzip -9n | base64 | tr -d '\n')
    for number in 1 2 3 4; do
      parameter "UserData$number" "${data:$(((number - 1) * 4000)):4000}"
    done
  fi
}

# As both versions of the CLI read it. All values were checked: none holds a quotation mark.
parameter() {
  printf '%s"%s=%s"' "$SEPARATOR" "$1" "$2"
  SEPARATOR=', '
}

deploy_stack() { # WITH-MACHINE
  SEPARATOR='['
  { write_parameters "$1" && say ']'; } >"$SCRATCH/parameters.json"
  step aws cloudformation deploy --region "$REGION" --stack-name "$NAME" \
    --template-file "$DEPLOY/aws-ec2/topfive.yaml" \
    --parameter-overrides "file://$SCRATCH/parameters.json" \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset
}

take_options "$@"
check_service_options
check_own_options
need_command aws 'https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html'
make_scratch

step aws sts get-caller-identity --region "$REGION" --query Account --output text ||
  give_up 'you are not signed in to AWS. Run: aws configure (or: aws sso login)'
if probe aws cloudformation describe-stacks --region "$REGION" --stack-name "$NAME"; then
  say "The stack $NAME is there: its machine stays, and what differs around it is changed."
  deploy_stack ''
else
  ask IMAGE_ID aws ssm get-parameter --region "$REGION" --name "$IMAGE_PARAMETER" \
    --query Parameter.Value --output text
  deploy_stack yes
fi
ask ADDRESS aws cloudformation describe-stacks --region "$REGION" --stack-name "$NAME" \
  --query "Stacks[0].Outputs[?OutputKey=='PublicAddress'].OutputValue" --output text
ask INSTANCE aws cloudformation describe-stacks --region "$REGION" --stack-name "$NAME" \
  --query "Stacks[0].Outputs[?OutputKey=='InstanceId'].OutputValue" --output text
tell_address "$ADDRESS"
say "A shell:  aws ssm start-session --region $REGION --target $INSTANCE"
say "The logs: aws logs tail --region $REGION --follow /topfive/$NAME"
