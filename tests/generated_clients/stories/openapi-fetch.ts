// The story, told by openapi-fetch with the types of openapi-typescript.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import createClient from "openapi-fetch";
import type { components, paths } from "./client";

async function main(baseUrl: string, user_id: string, picture: string): Promise<void> {
  const client = createClient<paths>({ baseUrl });
  const bytes = readFileSync(picture);

  const body = { user_id, image_data: bytes.toString("base64"), title: "first", tags: ["sea", "sun"] };
  const first = answered(await client.POST("/images", { body }));
  const form = new FormData();
  form.append("file", new File([bytes], basename(picture), { type: "image/png" }));
  for (const [name, value] of Object.entries({ user_id, title: "second", tags: "sea,sky" })) form.append(name, value);
  const second = answered(
    await client.POST("/images/upload", { body: { file: "", user_id }, bodySerializer: () => form }),
  );

  const pages: components["schemas"]["ImagePage"][] = [];
  let last_evaluated_key: string | undefined;
  do {
    const query = { user_id, tag: ["sea"], limit: 1, last_evaluated_key };
    const page = answered(await client.GET("/images", { params: { query } }));
    pages.push(page);
    last_evaluated_key = page.last_evaluated_key;
  } while (last_evaluated_key);

  const path = { image_id: first.image_id };
  const viewed = await client.GET("/images/{image_id}", { params: { path, query: { user_id } } });
  const header = { "If-Match": viewed.response.headers.get("ETag") ?? undefined };
  const updated = answered(
    await client.PUT("/images/{image_id}", { params: { path, header }, body: { title: "changed" } }),
  );
  const stale = await client.PUT("/images/{image_id}", { params: { path, header }, body: { title: "lost" } });
  const deleted = [];
  for (const { image_id } of [first, second]) {
    deleted.push(answered(await client.DELETE("/images/{image_id}", { params: { path: { image_id } } })).message);
  }
  const gone = await client.GET("/images/{image_id}", { params: { path } });

  const told = {
    uploaded: [first, second].map((image) => [image.metadata.title, image.metadata.tags]),
    filename: second.metadata.filename,
    pages: pages.map((page) => page.images.map((image) => image.title)),
    viewed: answered(viewed).metadata.title,
    updated: [updated.metadata.title, updated.metadata.version],
    stale: stale.response.status,
    deleted,
    gone: gone.response.status,
  };
  console.log(JSON.stringify(told));
}

function answered<Answer>({ data, error }: { data?: Answer; error?: { error: string } }): Answer {
  if (data === undefined) throw new Error(error?.error);
  return data;
}

const [url, userId, picture] = process.argv.slice(2) as [string, string, string];
void main(url, userId, picture);
