#!/usr/bin/env bash
# Takes away what deploy.sh made: see --help.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/../steps.sh"

explain() {
  cat <<END
$PROGRAM: deletes the resource group NAME with all that is in it: the machine, its disk, address,
network and logs. A group that deploy.sh did not make is left alone.

  $PROGRAM --name topfive

  --name NAME        what it is called (default: topfive)
  --yes              do not ask
END
  explain_common_options
}

take_own_option() {
  return 1
}

take_options "$@"
need_command az 'https://learn.microsoft.com/cli/azure/install-azure-cli'

ask MADE_HERE az group show --name "$NAME" --query "tags.topfive || 'no'" --output tsv
[ -n "$DRY_RUN" ] || [ "$MADE_HERE" = yes ] ||
  give_up "deploy.sh did not make the resource group $NAME: it is left alone."
confirm "the resource group $NAME with all that is in it, the history and the logs too"
step az group delete --name "$NAME" --yes
