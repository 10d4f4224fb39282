#!/bin/sh
# Call the service with curl and the tools of every Unix: base64, tr, sed, awk.
usage() {
  cat >&2 <<'END'
usage: scripts/curl_examples.sh upload FILE | list_user ID | list_tag TAG | get ID | download ID | delete ID

Environment: API_URL (default: http://127.0.0.1:8000), TOKEN (a bearer token, if the service requires one);
for uploads also USER_ID (default: demo), TITLE, DESCRIPTION, TAGS (comma-separated).
END
  exit 2
}

# Call curl with the given arguments. Prints the JSON of the response, also of an error, whose exit status is 22.
call() {
  if [ -n "${TOKEN:-}" ]; then
    set -- --header "Authorization: Bearer $TOKEN" "$@"
  fi
  curl --silent --show-error --fail-with-body "$@"
  status=$?
  echo
  return $status
}

# Print a text as the inside of a JSON string. Works byte by byte in any locale, so UTF-8 stays as it is.
escaped() {
  printf '%s\n' "$1" | LC_ALL=C awk '
    BEGIN {
      for (code = 1; code < 32; code++) escape[sprintf("%c", code)] = sprintf("\\u%04x", code)
      escape["\""] = "\\\""
      escape["\\"] = "\\\\"
    }
    NR > 1 { printf "%s", "\\n" }
    {
      for (i = 1; i <= length($0); i++) {
        byte = substr($0, i, 1)
        printf "%s", (byte in escape) ? escape[byte] : byte
      }
    }'
}

content_type() {
  case $(printf '%s' "$1" | tr '[:upper:]' '[:lower:]') in
    *.jpg | *.jpeg) echo image/jpeg ;;
    *.png) echo image/png ;;
    *.gif) echo image/gif ;;
    *.webp) echo image/webp ;;
    *.avif) echo image/avif ;;
    *.tif | *.tiff) echo image/tiff ;;
    *.bmp) echo image/bmp ;;
    *.heic) echo image/heic ;;
    *) echo application/octet-stream ;;
  esac
}

# Print the body of an upload. It is piped to curl, because a photograph is too long for an argument.
upload_body() {
  printf '{"user_id": "%s", "title": "%s", "description": "%s", "tags": [%s], "content_type": "%s", "filename": "%s", ' \
    "$(escaped "${USER_ID:-demo}")" "$(escaped "${TITLE:-}")" "$(escaped "${DESCRIPTION:-}")" \
    "$([ -z "${TAGS:-}" ] || escaped "$TAGS" | sed 's/,/","/g; s/.*/"&"/')" \
    "$(content_type "$1")" "$(escaped "${1##*/}")"
  printf '"image_base64": "'
  base64 <"$1" | tr -d '\n'
  printf '"}'
}

[ $# -eq 2 ] && [ -n "$2" ] || usage
images=${API_URL:-http://127.0.0.1:8000}
images=${images%/}/images
case $1 in
  get | download | delete)
    case $2 in *[!0-9A-Za-z-]*) usage ;; esac # other characters could lead to another path
    ;;
esac
case $1 in
  upload)
    if [ ! -r "$2" ] || [ -d "$2" ]; then
      echo "$2 cannot be read as a file." >&2
      exit 1
    fi
    upload_body "$2" | call --header 'Content-Type: application/json' --data-binary @- "$images"
    ;;
  list_user) call --get --data-urlencode "user_id=$2" "$images" ;;
  list_tag) call --get --data-urlencode "tag=$2" "$images" ;;
  get) call "$images/$2" ;;
  download) call "$images/$2/download" ;;
  delete) call --request DELETE "$images/$2" ;;
  *) usage ;;
esac
