// The story, told by the client of openapi-generator's typescript-axios.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import axios from "axios";
import { Configuration, ImagePage, ImagesApi, ListsApi } from "./client";

async function main(url: string, userId: string, picture: string): Promise<void> {
  const configuration = new Configuration({ basePath: url });
  const images = new ImagesApi(configuration);
  const lists = new ListsApi(configuration);
  const bytes = readFileSync(picture);

  const upload = { user_id: userId, image_data: bytes.toString("base64"), title: "first", tags: ["sea", "sun"] };
  const first = (await images.uploadImage({ upload })).data;
  const file = new File([bytes], basename(picture), { type: "image/png" });
  const second = (await images.uploadImageForm({ file, userId, title: "second", tags: ["sea", "sky"] })).data;

  const pages: ImagePage[] = [];
  let lastEvaluatedKey: string | undefined;
  do {
    const page = (await lists.listImages({ userId, tag: ["sea"], limit: 1, lastEvaluatedKey })).data;
    pages.push(page);
    lastEvaluatedKey = page.last_evaluated_key;
  } while (lastEvaluatedKey);

  const imageId = first.image_id;
  const viewed = await images.viewImage({ imageId, userId });
  const ifMatch: string = viewed.headers["etag"];
  const updated = (await images.updateImage({ imageId, ifMatch, imagePatch: { title: "changed" } })).data;
  const stale = await status(images.updateImage({ imageId, ifMatch, imagePatch: { title: "lost" } }));
  const deleted = [];
  for (const image of [first, second]) {
    deleted.push((await images.deleteImage({ imageId: image.image_id })).data.message);
  }
  const gone = await status(images.viewImage({ imageId }));

  const told = {
    uploaded: [first, second].map((image) => [image.metadata.title, image.metadata.tags]),
    filename: second.metadata.filename,
    pages: pages.map((page) => page.images.map((image) => image.title)),
    viewed: viewed.data.metadata.title,
    updated: [updated.metadata.title, updated.metadata.version],
    stale,
    deleted,
    gone,
  };
  console.log(JSON.stringify(told));
}

async function status(answer: Promise<{ status: number }>): Promise<number | undefined> {
  try {
    return (await answer).status;
  } catch (error) {
    if (axios.isAxiosError(error)) return error.response?.status;
    throw error;
  }
}

const [url, userId, picture] = process.argv.slice(2) as [string, string, string];
void main(url, userId, picture);
