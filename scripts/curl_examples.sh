#!/bin/sh
# Call the service with curl.
usage() {
  cat >&2 <<'END'
usage: scripts/curl_examples.sh upload FILE | list_user ID | list_tag TAG | get ID | download ID | delete ID

Environment: API_URL (default: http://127.0.0.1:8000), TOKEN (a bearer token, if the service requires one);
for uploads also USER_ID (default: user123), TITLE (default: Sample), DESCRIPTION, TAGS (comma-separated, default: sample).
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
    title=${TITLE-Sample} tags=${TAGS-sample}
    # A form takes a larger photograph than JSON. The file is on stdin, and its name in a field of its own: curl gives
    # some characters of a path a meaning. Empty fields are left out: LocalStack joins them with the next field.
    call --form-string "user_id=${USER_ID-user123}" --form-string "filename=${2##*/}" \
      ${title:+--form-string} ${title:+"title=$title"} ${tags:+--form-string} ${tags:+"tags=$tags"} \
      ${DESCRIPTION:+--form-string} ${DESCRIPTION:+"description=$DESCRIPTION"} \
      --form 'file=@-;filename=image' "$images" <"$2"
    ;;
  list_user) call --get --data-urlencode "user_id=$2" "$images" ;;
  list_tag) call --get --data-urlencode "tag=$2" "$images" ;;
  get) call "$images/$2" ;;
  download) call "$images/$2/download" ;;
  delete) call --request DELETE "$images/$2" ;;
  *) usage ;;
esac
