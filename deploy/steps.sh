# shellcheck shell=bash
# What deploy.sh and destroy.sh of all three clouds share; sourced by them. Needs bash 3.2.
#
# A script defines `explain` and `take_own_option`, calls `take_options "$@"`, then speaks to its
# cloud through `step`, `probe` and `ask` alone: under --dry-run these print what they would run.

PROGRAM=${0##*/}
DEPLOY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DRY_RUN=
CERTAIN=
NAME=topfive
SOURCE=
REF=
IMAGE=
DOMAIN=
API_KEYS=
RATE_LIMIT=100/minute
MODEL=mobilenet_v2
HISTORY=
DISK_GB=30

say() {
  printf '%s\n' "$*"
}

# Wrong arguments: exit 2.
refuse() {
  printf '%s: %s\nSee: %s --help\n' "$PROGRAM" "$1" "$PROGRAM" >&2
  exit 2
}

# Anything else that is missing: exit 1.
give_up() {
  printf '%s: %s\n' "$PROGRAM" "$*" >&2
  exit 1
}

# The part of --help that every deploy.sh has.
explain_shared_options() {
  cat <<'END'
What serves:
  --source URL       topfive's git repository; it must be readable without a password
  --ref REF          the tag or whole commit to run
  --image IMAGE      an image built elsewhere, with its tag or digest, that can be pulled without
                     a password; without it the machine builds one from the source
  --model MODEL      the model built into that image: mobilenet_v2 (default), resnet50, or another
                     that docs/architectures.md lists
  --domain DOMAIN    the public name; without it there is no HTTPS
  --api-keys LIST    SHA-256 digests of the keys that callers must send, separated by commas;
                     to make one: printf %s "$KEY" | sha256sum
  --rate-limit RATE  how often one client may call (default: 100/minute)
  --history KIND     keep what was predicted on the machine: sqlite, in a file, or postgresql, in a
                     database beside it (default: nothing is kept); reading it takes a key with the
                     scope admin. An image built elsewhere must have been built with HISTORY=KIND

The machine:
  --name NAME        what everything is called (default: topfive)
  --disk-gb GB       its disk (default: 30)
END
}

explain_common_options() {
  cat <<'END'

  --dry-run          print every command, run none
  --help             this text
END
}

take_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --help | -h) explain; exit 0 ;;
      --dry-run) DRY_RUN=yes; shift ;;
      --yes) CERTAIN=yes; shift ;;
      --*) take_valued_option "$@"; shift 2 ;;
      *) refuse "\"$1\" is not an option: they begin with --." ;;
    esac
  done
  check_form --name "$NAME" '^[a-z][a-z0-9-]{1,18}[a-z0-9]$' \
    'use 3 to 20 small letters, digits and -, a letter first'
}

take_valued_option() {
  local value=${2-}
  case $1 in
    --name) NAME=$value ;;
    *) take_own_option "$1" "$value" || refuse "there is no option $1." ;;
  esac
  [ $# -ge 2 ] || refuse "$1 needs a value."
}

# For take_own_option of a deploy.sh: what explain_shared_options tells of.
take_service_option() {
  case $1 in
    --source) SOURCE=$2 ;;
    --ref) REF=$2 ;;
    --image) IMAGE=$2 ;;
    --model) MODEL=$2 ;;
    --domain) DOMAIN=$2 ;;
    --api-keys) API_KEYS=$2 ;;
    --rate-limit) RATE_LIMIT=$2 ;;
    --history) HISTORY=$2 ;;
    --disk-gb) DISK_GB=$2 ;;
    *) return 1 ;;
  esac
}

check_form() { # OPTION VALUE PATTERN ADVICE
  [ -n "$2" ] || refuse "$1 is missing: $4."
  [[ $2 =~ $3 ]] || refuse "$1 is \"$2\": $4."
}

check_form_if_set() {
  [ -z "$2" ] || check_form "$@"
}

# These patterns also let nothing through that has a meaning to a shell, to YAML or in .env.
check_service_options() {
  case $SOURCE in
    *@*) refuse '--source holds a user or a password, and would lie on the machine; use a public repository.' ;;
  esac
  case $REF in
    main | master | HEAD) refuse "--ref is \"$REF\", which means something else every day: name a tag or a whole commit." ;;
  esac
  check_form --source "$SOURCE" '^https://[A-Za-z0-9.-]+(:[0-9]+)?/[A-Za-z0-9._~/-]+$' \
    'give the https:// address of the git repository'
  check_form --ref "$REF" '^[A-Za-z0-9][A-Za-z0-9._/-]*$' 'name a tag or a whole commit'
  check_form_if_set --image "$IMAGE" '^[a-z0-9][A-Za-z0-9._/:-]*(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$' \
    'give its name with a tag or digest, such as ghcr.io/you/topfive:0.1.0'
  check_form --model "$MODEL" '^[a-z][a-z0-9_]*$' 'one that docs/architectures.md lists'
  [[ $(< "$DEPLOY/../docs/architectures.md") == *"| \`$MODEL\` |"* ]] \
    || refuse "--model is \"$MODEL\": one that docs/architectures.md lists."
  check_form_if_set --domain "$DOMAIN" '^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$' \
    'give a name in small letters, such as pictures.example.org, without https://'
  check_form_if_set --api-keys "$API_KEYS" '^[0-9a-f]{64}(:[a-z]+(\+[a-z]+)*)?(,[0-9a-f]{64}(:[a-z]+(\+[a-z]+)*)?)*$' \
    'give SHA-256 digests, as sha256sum prints them, and not the keys'
  check_form --rate-limit "$RATE_LIMIT" '^[1-9][0-9]*/(second|minute|hour|day)$' 'COUNT/UNIT, such as 100/minute'
  check_form_if_set --history "$HISTORY" '^(sqlite|postgresql)$' 'sqlite or postgresql'
  check_form --disk-gb "$DISK_GB" '^([2-9][0-9]|[1-9][0-9]{2,3})$' 'a whole number of GB, 20 or more'
}

need_command() { # COMMAND WHERE-FROM
  [ -n "$DRY_RUN" ] || command -v "$1" >/dev/null || give_up "$1 is not installed. Get it: $2"
}

print_command() {
  local word line=+
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]]; then
      line="$line $word"
    else
      line="$line '${word//\'/\'\\\'\'}'"
    fi
  done
  say "$line"
}

# Run a command that changes something.
step() {
  print_command "$@"
  [ -n "$DRY_RUN" ] || "$@"
}

# Tell whether a command succeeds, such as one that describes a thing. Under --dry-run: no.
probe() {
  if [ -n "$DRY_RUN" ]; then
    print_command "$@"
    return 1
  fi
  "$@" >/dev/null 2>&1
}

# Make a thing where the command before `--` does not find it.
ensure() {
  local find=()
  while [ "$1" != -- ]; do
    find+=("$1")
    shift
  done
  shift
  probe "${find[@]}" || step "$@"
}

# Take a thing away where the command before `--` finds it; under --dry-run always.
remove() {
  local find=()
  while [ "$1" != -- ]; do
    find+=("$1")
    shift
  done
  shift
  if probe "${find[@]}" || [ -n "$DRY_RUN" ]; then
    step "$@"
  fi
}

# Set the variable $1 to what a command prints. Under --dry-run: to its name.
ask() {
  local variable=$1 answer
  shift
  if [ -n "$DRY_RUN" ]; then
    print_command "$@"
    answer="<$variable>"
  else
    answer=$("$@") || give_up "this failed: $*"
  fi
  printf -v "$variable" '%s' "$answer"
}

# Have a folder of our own for files that hold settings; it goes when the script ends.
make_scratch() {
  SCRATCH=$(mktemp -d)
  trap 'rm -rf "$SCRATCH"' EXIT
}

# Print cloud-init.yaml with every @@WORD@@ replaced. Arguments: LOGS LOG_REGION LOG_GROUP
render_cloud_init() {
  local url='' profiles=''
  case $HISTORY in
    sqlite) url=sqlite:////history/history.db ;;
    postgresql)
      url=postgresql://topfive@postgres/topfive
      profiles=postgres ;;
  esac
  TOPFIVE_SOURCE=$SOURCE TOPFIVE_REF=$REF TOPFIVE_IMAGE=$IMAGE TOPFIVE_DOMAIN=$DOMAIN \
    TOPFIVE_API_KEYS=$API_KEYS TOPFIVE_RATE_LIMIT=$RATE_LIMIT MODEL=$MODEL \
    HISTORY=$HISTORY TOPFIVE_HISTORY_URL=$url COMPOSE_PROFILES=$profiles \
    TOPFIVE_LOGS=${1-} LOG_REGION=${2-} LOG_GROUP=${3-} fill_in <"$DEPLOY/cloud-init.yaml"
}

# Replace @@WORD@@ by the variable of the environment with that name, as it is: nothing in a value
# has a meaning to awk here, as it would have to sed.
fill_in() {
  awk '{
    done = ""
    while (match($0, /@@[A-Z_]+@@/)) {
      word = substr($0, RSTART + 2, RLENGTH - 4)
      value = word in ENVIRON ? ENVIRON[word] : "@@" word "@@"
      done = done substr($0, 1, RSTART - 1) value
      $0 = substr($0, RSTART + RLENGTH)
    }
    print done $0
  }'
}

# Ask before anything is deleted.
confirm() { # WHAT GOES
  say "This deletes $1."
  if [ -n "$DRY_RUN" ] || [ -n "$CERTAIN" ]; then
    return
  fi
  [ -t 0 ] || refuse 'nobody is here to ask: say --yes if you are certain.'
  local answer
  read -r -p "Type $NAME to go on: " answer
  [ "$answer" = "$NAME" ] || give_up 'nothing was deleted.'
}

# What to do when the machine is there. Arguments: ADDRESS
tell_address() {
  say ''
  if [ -n "$DOMAIN" ]; then
    say "1. Let $DOMAIN mean $1 (an A record at your DNS provider)."
    say "2. Wait some minutes, then: curl https://$DOMAIN/health"
  else
    say "Wait some minutes, then: curl http://$1/health"
  fi
  [ -n "$IMAGE" ] || say 'The image is built on the machine, which takes some more minutes.'
}
