#!/bin/sh
# Call the service with curl.

FORM_BYTES=4500000 # the largest image that a form may have (MAX_FORM_IMAGE_BYTES); a larger one goes to S3 directly

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

# Print a text as a JSON string. The service allows no other control characters than these three.
json() {
  tab=$(printf '\t') return=$(printf '\r')
  # The X keeps a line break at the end.
  printf '%sX\n' "$1" | LC_ALL=C sed -e 's/[\"]/\\&/g' -e "s/$tab/\\\\t/g" -e "s/$return/\\\\r/g" |
    LC_ALL=C awk '{ text = text separator $0; separator = "\\n" } END { print "\"" substr(text, 1, length(text) - 1) "\"" }'
}

# Print the content type of an image file, by its first bytes.
content_type() {
  case $(od -An -v -tx1 -N12 <"$1" | tr -d ' \n') in
    ffd8ff*) echo image/jpeg ;;
    89504e47*) echo image/png ;;
    47494638*) echo image/gif ;;
    52494646????????57454250) echo image/webp ;;
    49492?00* | 4d4d002?*) echo image/tiff ;;
    424d*) echo image/bmp ;;
    ????????66747970617669*) echo image/avif ;;
    ????????667479706865*) echo image/heic ;;
    ????????667479706d??6631) echo image/heif ;;
    *) echo application/octet-stream ;;
  esac
}

# Print the value of a field of a JSON response: a number, or a text without quotes in it.
field() {
  sed -e "s/.*\"$1\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/"
}

# Announce the image FILE of SIZE bytes, send it to S3, wait until it is processed, and print its view. The exit status is
# 22 if the service rejects the file.
upload_directly() {
  answer=$(call --header 'Content-Type: application/json' --data-binary "{\"user_id\": $(json "${USER_ID-user123}"),
    \"title\": $(json "$title"), \"description\": $(json "${DESCRIPTION-}"), \"tags\": $(json "$tags"),
    \"filename\": $(json "${1##*/}"), \"content_type\": \"$(content_type "$1")\", \"size\": $2}" "$images/direct-upload")
  status=$?
  if [ $status -ne 0 ]; then
    printf '%s\n' "$answer"
    return $status
  fi
  image=$images/$(printf '%s\n' "$answer" | field image_id)
  folder=$(mktemp -d) || return
  trap 'rm -rf "$folder"' EXIT
  case $answer in
    *'"parts":['*) send_parts "$1" "$image" ;;
    *) send_form "$1" ;;
  esac || return
  # At most five minutes.
  tries=0
  while [ $tries -lt 300 ]; do
    view=$(call "$image")
    status=$?
    case $view in
      *'"state":"awaiting_upload"'* | *'"state":"processing"'*) ;;
      *'"state":"rejected"'*)
        status=22
        break
        ;;
      *) break ;;
    esac
    tries=$((tries + 1))
    sleep 1
  done
  printf '%s\n' "$view"
  return $status
}

# POST the form of $answer to S3. curl reads its fields from a file, because they are a permission to upload.
send_form() {
  printf '%s\n' "$answer" | sed -e 's/.*"fields":{//' -e 's/\([^\\]\)"}.*/\1"/' -e 's/","/"\
"/g' | sed -e 's/^"\([^"]*\)":"/form-string = "\1=/' >"$folder/form"
  curl --silent --show-error --fail --config "$folder/form" --form 'file=@-;filename=image' \
    "$(printf '%s\n' "$answer" | field url)" <"$1"
}

# PUT the parts of $answer to S3, and complete the upload.
send_parts() {
  split -a 3 -b "$(printf '%s\n' "$answer" | field part_size)" - "$folder/part." <"$1"
  printf '%s\n' "$answer" | grep -o '"url":"[^"]*"' | cut -d '"' -f 4 >"$folder/urls"
  for part in "$folder"/part.*; do
    read -r url && curl --silent --show-error --fail --upload-file "$part" "$url" || return
  done <"$folder/urls"
  completed=$(call --request POST "$2/complete")
  status=$?
  [ $status -eq 0 ] || printf '%s\n' "$completed"
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
    title=${TITLE-Sample} tags=${TAGS-sample} size=$(($(wc -c <"$2")))
    if [ $size -gt $FORM_BYTES ]; then
      upload_directly "$2" $size
      exit
    fi
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
