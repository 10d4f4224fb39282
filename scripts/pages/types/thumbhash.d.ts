export * from "thumbhash"
