#!/usr/bin/env bash
# Takes away what deploy.sh made: see --help.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/../steps.sh"

PROJECT=
ZONE=

explain() {
  cat <<END
$PROGRAM: deletes the machine NAME, its disk, address, network and service account. The logs stay in
Cloud Logging until their time is over, and the project's services stay enabled.

  $PROGRAM --project my-project --zone europe-west3-a

  --project PROJECT  the id of the project (needed)
  --zone ZONE        where it is (needed)
  --name NAME        what it is called (default: topfive)
  --yes              do not ask
END
  explain_common_options
}

take_own_option() {
  case $1 in
    --project) PROJECT=$2 ;;
    --zone) ZONE=$2 ;;
    *) return 1 ;;
  esac
}

remove_compute() { # KIND... NAME -- OPTIONS
  local thing=()
  while [ "$1" != -- ]; do thing+=("$1"); shift; done
  shift
  local last=$((${#thing[@]} - 1))
  local kind=("${thing[@]:0:last}") name=${thing[last]}
  remove gcloud compute "${kind[@]}" describe "$name" --project "$PROJECT" "$@" -- \
    gcloud compute "${kind[@]}" delete "$name" --project "$PROJECT" "$@" --quiet
}

remove_account() {
  local account=$NAME-vm@$PROJECT.iam.gserviceaccount.com role
  for role in roles/logging.logWriter roles/monitoring.metricWriter; do
    step gcloud projects remove-iam-policy-binding "$PROJECT" --member "serviceAccount:$account" \
      --role "$role" --condition None --format none || say "$role was not granted."
  done
  remove gcloud iam service-accounts describe "$account" --project "$PROJECT" -- \
    gcloud iam service-accounts delete "$account" --project "$PROJECT" --quiet
}

take_options "$@"
check_form --project "$PROJECT" '^[a-z][a-z0-9:.-]{4,62}$' 'give the id of the project, as in: gcloud projects list'
check_form --zone "$ZONE" '^[a-z]+-[a-z]+[0-9]+-[a-z]$' 'name a zone, such as europe-west3-a'
need_command gcloud 'https://cloud.google.com/sdk/docs/install'
REGION=${ZONE%-*}

step gcloud projects describe "$PROJECT" --format 'value(projectId)' ||
  give_up "you are not signed in, or may not see the project $PROJECT. Run: gcloud auth login"
confirm "the machine $NAME in $ZONE of $PROJECT, with its disk and the history on it, address, network and service account"
remove_compute instances "$NAME" -- --zone "$ZONE"
remove_compute addresses "$NAME" -- --region "$REGION"
remove_compute firewall-rules "$NAME-ssh" --
remove_compute firewall-rules "$NAME-web" --
remove_compute networks subnets "$NAME" -- --region "$REGION"
remove_compute networks "$NAME" --
remove_account
