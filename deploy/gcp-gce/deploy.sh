#!/usr/bin/env bash
# Puts topfive on one Compute Engine machine: see --help.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/../steps.sh"

PROJECT=
ZONE=
SSH_FROM=
MACHINE=n2-custom-2-4096
# Google's forwarder of SSH connections, for those whom IAM lets through.
IAP_RANGE=35.235.240.0/20

explain() {
  cat <<END
$PROGRAM: topfive on one Compute Engine machine, in a network of its own.

  $PROGRAM --project my-project --zone europe-west3-a \\
      --source https://git.example.org/topfive.git --ref v0.1.0 --domain pictures.example.org

Run again it makes what is missing and leaves the rest. What serves on the machine, its domain and its
keys are changed on the machine: by topfive-deploy, and in /opt/topfive/.env.

END
  explain_shared_options
  cat <<'END'
  --project PROJECT  the id of the project (needed)
  --zone ZONE        where (needed)
  --machine TYPE     its type, x86-64 (default: n2-custom-2-4096, 2 vCPU and 4 GB)
  --ssh-from CIDR    who else may reach port 22 (default: only Google's IAP)
END
  explain_common_options
}

take_own_option() {
  case $1 in
    --project) PROJECT=$2 ;;
    --zone) ZONE=$2 ;;
    --machine) MACHINE=$2 ;;
    --ssh-from) SSH_FROM=$2 ;;
    *) take_service_option "$1" "$2" ;;
  esac
}

check_own_options() {
  check_form --project "$PROJECT" '^[a-z][a-z0-9:.-]{4,62}$' 'give the id of the project, as in: gcloud projects list'
  check_form --zone "$ZONE" '^[a-z]+-[a-z]+[0-9]+-[a-z]$' 'name a zone, such as europe-west3-a'
  check_form --machine "$MACHINE" '^[a-z0-9-]+$' 'name a type of machine, such as n2-custom-2-4096'
  check_form_if_set --ssh-from "$SSH_FROM" '^[0-9]{1,3}(\.[0-9]{1,3}){3}/([1-9]|[12][0-9]|3[0-2])$' \
    'give an IPv4 range, such as 203.0.113.7/32'
}

# `gcloud compute` in this project, for `ensure`.
ensure_compute() { # KIND... NAME -- OPTIONS FOR BOTH -- OPTIONS FOR CREATING
  local thing=() place=()
  while [ "$1" != -- ]; do thing+=("$1"); shift; done
  shift
  while [ "$1" != -- ]; do place+=("$1"); shift; done
  shift
  local last=$((${#thing[@]} - 1))
  local kind=("${thing[@]:0:last}") name=${thing[last]}
  place+=(--project "$PROJECT")
  ensure gcloud compute "${kind[@]}" describe "$name" "${place[@]}" -- \
    gcloud compute "${kind[@]}" create "$name" "${place[@]}" "$@"
}

provide_account() {
  ensure gcloud iam service-accounts describe "$ACCOUNT" --project "$PROJECT" -- \
    gcloud iam service-accounts create "$NAME-vm" --project "$PROJECT" --display-name "The machine $NAME"
}

# It may write logs and figures, and nothing else.
grant_roles() {
  local role
  for role in roles/logging.logWriter roles/monitoring.metricWriter; do
    step gcloud projects add-iam-policy-binding "$PROJECT" --member "serviceAccount:$ACCOUNT" \
      --role "$role" --condition None --format none
  done
}

# A new network lets nothing in but what its rules name.
provide_network() {
  ensure_compute networks "$NAME" -- -- --subnet-mode custom
  ensure_compute networks subnets "$NAME" -- --region "$REGION" -- --network "$NAME" --range 10.40.0.0/28
  ensure_compute firewall-rules "$NAME-web" -- -- --network "$NAME" --direction INGRESS \
    --allow tcp:80,tcp:443,udp:443 --source-ranges 0.0.0.0/0 --target-tags "$NAME"
  ensure_compute firewall-rules "$NAME-ssh" -- -- --network "$NAME" --direction INGRESS \
    --allow tcp:22 --source-ranges "$IAP_RANGE${SSH_FROM:+,$SSH_FROM}" --target-tags "$NAME"
  ensure_compute addresses "$NAME" -- --region "$REGION" --
}

provide_machine() { # ADDRESS
  render_cloud_init gcp >"$SCRATCH/cloud-init.yaml"
  # Ubuntu, because Google's Debian images have no cloud-init.
  ensure_compute instances "$NAME" -- --zone "$ZONE" -- --machine-type "$MACHINE" \
    --image-family ubuntu-2404-lts-amd64 --image-project ubuntu-os-cloud \
    --boot-disk-size "${DISK_GB}GB" --boot-disk-type pd-balanced \
    --subnet "$NAME" --address "$1" --tags "$NAME" \
    --service-account "$ACCOUNT" --scopes cloud-platform \
    --shielded-secure-boot --shielded-vtpm --shielded-integrity-monitoring \
    --metadata enable-oslogin=TRUE,block-project-ssh-keys=TRUE \
    --metadata-from-file "user-data=$SCRATCH/cloud-init.yaml"
}

take_options "$@"
check_service_options
check_own_options
need_command gcloud 'https://cloud.google.com/sdk/docs/install'
make_scratch
REGION=${ZONE%-*}
ACCOUNT=$NAME-vm@$PROJECT.iam.gserviceaccount.com

step gcloud projects describe "$PROJECT" --format 'value(projectId)' ||
  give_up "you are not signed in, or may not see the project $PROJECT. Run: gcloud auth login"
step gcloud services enable compute.googleapis.com logging.googleapis.com monitoring.googleapis.com \
  iap.googleapis.com --project "$PROJECT"
provide_account
provide_network
# Not right after the account: it takes Google some seconds to know of it everywhere.
grant_roles
ask ADDRESS gcloud compute addresses describe "$NAME" --region "$REGION" --project "$PROJECT" \
  --format 'value(address)'
provide_machine "$ADDRESS"
tell_address "$ADDRESS"
say "A shell:  gcloud compute ssh $NAME --project $PROJECT --zone $ZONE --tunnel-through-iap"
say "The logs: https://console.cloud.google.com/logs/query?project=$PROJECT"
