#!/usr/bin/env bash
# Takes away what deploy.sh made: see --help.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/../steps.sh"

REGION=

explain() {
  cat <<END
$PROGRAM: deletes the CloudFormation stack NAME: the machine, its disk, address, network and logs.

  $PROGRAM --region eu-central-1

  --region REGION    where it is (needed)
  --name NAME        what it is called (default: topfive)
  --yes              do not ask
END
  explain_common_options
}

take_own_option() {
  case $1 in
    --region) REGION=$2 ;;
    *) return 1 ;;
  esac
}

take_options "$@"
check_form --region "$REGION" '^[a-z]{2}(-[a-z]+)+-[0-9]$' 'name a region, such as eu-central-1'
need_command aws 'https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html'

probe aws cloudformation describe-stacks --region "$REGION" --stack-name "$NAME" || [ -n "$DRY_RUN" ] ||
  give_up "there is no stack $NAME in $REGION, or you may not see it."
confirm "the stack $NAME in $REGION, with its machine, the history on it and its logs"
step aws cloudformation delete-stack --region "$REGION" --stack-name "$NAME"
step aws cloudformation wait stack-delete-complete --region "$REGION" --stack-name "$NAME"
