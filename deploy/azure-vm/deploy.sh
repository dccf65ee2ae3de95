#!/usr/bin/env bash
# Puts topfive on one Azure virtual machine: see --help.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/../steps.sh"

LOCATION=
DNS_LABEL=
SSH_FROM=
SSH_KEY=
LOG_DAYS=30
MACHINE=Standard_D2ls_v5

explain() {
  cat <<END
$PROGRAM: topfive on one Azure virtual machine, in a resource group NAME of its own.

  $PROGRAM --location germanywestcentral --dns-label my-pictures \\
      --source https://git.example.org/topfive.git --ref v0.1.0

With --dns-label and without --domain it serves HTTPS as LABEL.LOCATION.cloudapp.azure.com.
Run again it makes what is missing and leaves the machine. What serves on the machine, its domain and
its keys are changed on the machine: by topfive-deploy, and in /opt/topfive/.env.

END
  explain_shared_options
  cat <<'END'
  --location REGION  where (needed)
  --dns-label LABEL  a name of its own under LOCATION.cloudapp.azure.com
  --machine SIZE     its size, x86-64 (default: Standard_D2ls_v5, 2 vCPU and 4 GiB)
  --ssh-from CIDR    who may reach port 22 (default: nobody); needs --ssh-key
  --ssh-key FILE     the public key that may sign in as azureuser
  --log-days DAYS    how long Log Analytics keeps the logs (default: 30)
END
  explain_common_options
}

take_own_option() {
  case $1 in
    --location) LOCATION=$2 ;;
    --dns-label) DNS_LABEL=$2 ;;
    --machine) MACHINE=$2 ;;
    --ssh-from) SSH_FROM=$2 ;;
    --ssh-key) SSH_KEY=$2 ;;
    --log-days) LOG_DAYS=$2 ;;
    *) take_service_option "$1" "$2" ;;
  esac
}

check_own_options() {
  check_form --location "$LOCATION" '^[a-z0-9]+$' 'name a region, as in: az account list-locations --query [].name'
  check_form_if_set --dns-label "$DNS_LABEL" '^[a-z][a-z0-9-]{1,61}[a-z0-9]$' 'use small letters, digits and -'
  check_form --machine "$MACHINE" '^Standard_[A-Za-z0-9_-]+$' 'name a size, such as Standard_D2ls_v5'
  check_form_if_set --ssh-from "$SSH_FROM" '^[0-9]{1,3}(\.[0-9]{1,3}){3}/([1-9]|[12][0-9]|3[0-2])$' \
    'give an IPv4 range, such as 203.0.113.7/32'
  [ -z "$SSH_FROM" ] || [ -n "$SSH_KEY" ] || refuse '--ssh-from needs --ssh-key: the public key that may sign in.'
  [ -z "$SSH_KEY" ] || [ -f "$SSH_KEY" ] || refuse "--ssh-key is \"$SSH_KEY\": there is no such file."
  check_form --log-days "$LOG_DAYS" '^(30|[4-9][0-9]|[1-6][0-9]{2}|7[0-2][0-9]|730)$' 'a number of days, 30 or 40 to 730'
}

# destroy.sh deletes whole groups, but only those with this tag.
provide_group() {
  if probe az group show --name "$NAME"; then
    ask MADE_HERE az group show --name "$NAME" --query "tags.topfive || 'no'" --output tsv
    [ "$MADE_HERE" = yes ] ||
      give_up "there is a resource group $NAME that this script did not make. Choose another --name."
  else
    step az group create --name "$NAME" --location "$LOCATION" --tags topfive=yes --output none
  fi
}

# A security group lets nothing in but what its rules name.
provide_network() {
  step az network nsg create --resource-group "$NAME" --name "$NAME" --output none
  open_port web-tcp 100 Tcp '*' 80 443
  open_port web-udp 110 Udp '*' 443
  [ -z "$SSH_FROM" ] || open_port ssh 120 Tcp "$SSH_FROM" 22
  step az network public-ip create --resource-group "$NAME" --name "$NAME" --sku Standard \
    --allocation-method Static --version IPv4 ${DNS_LABEL:+--dns-name "$DNS_LABEL"} --output none
}

open_port() { # NAME PRIORITY PROTOCOL FROM PORT...
  local rule=$1 priority=$2 protocol=$3 from=$4
  shift 4
  step az network nsg rule create --resource-group "$NAME" --nsg-name "$NAME" --name "$rule" \
    --priority "$priority" --access Allow --direction Inbound --protocol "$protocol" \
    --source-address-prefixes "$from" --destination-port-ranges "$@" --output none
}

provide_machine() {
  render_cloud_init azure >"$SCRATCH/cloud-init.yaml"
  # A machine cannot be without a key. Where nobody may sign in, the private half is thrown away.
  if [ -z "$SSH_KEY" ]; then
    step ssh-keygen -q -t ed25519 -N '' -C nobody -f "$SCRATCH/key"
    SSH_KEY=$SCRATCH/key.pub
  fi
  ensure az vm show --resource-group "$NAME" --name "$NAME" -- \
    az vm create --resource-group "$NAME" --name "$NAME" --location "$LOCATION" \
    --image Canonical:ubuntu-24_04-lts:server:latest --size "$MACHINE" \
    --os-disk-size-gb "$DISK_GB" --storage-sku StandardSSD_LRS \
    --nsg "$NAME" --public-ip-address "$NAME" --vnet-name "$NAME" --subnet "$NAME" \
    --admin-username azureuser --ssh-key-values "$SSH_KEY" --authentication-type ssh \
    --security-type TrustedLaunch --enable-secure-boot true --enable-vtpm true \
    --assign-identity '[system]' --custom-data "$SCRATCH/cloud-init.yaml" --output none
}

# The agent signs in as the machine's managed identity, which has no role in the subscription.
ship_logs() {
  step az extension add --name monitor-control-service --upgrade --yes --only-show-errors
  step az monitor log-analytics workspace create --resource-group "$NAME" --workspace-name "$NAME" \
    --location "$LOCATION" --retention-time "$LOG_DAYS" --output none
  ask WORKSPACE_ID az monitor log-analytics workspace show --resource-group "$NAME" \
    --workspace-name "$NAME" --query id --output tsv
  LOCATION=$LOCATION WORKSPACE_ID=$WORKSPACE_ID fill_in <"$DEPLOY/azure-vm/data-collection-rule.json" \
    >"$SCRATCH/data-collection-rule.json"
  step az monitor data-collection rule create --resource-group "$NAME" --name "$NAME" \
    --location "$LOCATION" --rule-file "$SCRATCH/data-collection-rule.json" --output none
  ask RULE_ID az monitor data-collection rule show --resource-group "$NAME" --name "$NAME" \
    --query id --output tsv
  ask MACHINE_ID az vm show --resource-group "$NAME" --name "$NAME" --query id --output tsv
  step az monitor data-collection rule association create --name "$NAME" \
    --rule-id "$RULE_ID" --resource "$MACHINE_ID" --output none
  step az vm extension set --resource-group "$NAME" --vm-name "$NAME" \
    --name AzureMonitorLinuxAgent --publisher Microsoft.Azure.Monitor \
    --enable-auto-upgrade true --output none
}

take_options "$@"
check_service_options
check_own_options
need_command az 'https://learn.microsoft.com/cli/azure/install-azure-cli'
need_command ssh-keygen 'the package openssh-client'
make_scratch
OWN_NAME=${DNS_LABEL:+$DNS_LABEL.$LOCATION.cloudapp.azure.com}
DOMAIN=${DOMAIN:-$OWN_NAME}

step az account show --query name --output tsv ||
  give_up 'you are not signed in to Azure. Run: az login'
provide_group
provide_network
provide_machine
ship_logs
ask ADDRESS az network public-ip show --resource-group "$NAME" --name "$NAME" --query ipAddress --output tsv
if [ -n "$OWN_NAME" ] && [ "$DOMAIN" = "$OWN_NAME" ]; then
  say "Wait some minutes, then: curl https://$DOMAIN/health"
else
  tell_address "$ADDRESS"
fi
say "A command on the machine:"
say "  az vm run-command invoke --resource-group $NAME --name $NAME \\"
say "    --command-id RunShellScript --scripts 'topfive-compose ps'"
say "The logs: the workspace $NAME in the Azure portal, or az monitor log-analytics query"
