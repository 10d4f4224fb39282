// The story, told by the client of openapi-generator's typescript-fetch.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { Configuration, ImagePage, ImagesApi, ListsApi, ResponseError } from "./client";

async function main(url: string, userId: string, picture: string): Promise<void> {
  const configuration = new Configuration({ basePath: url });
  const images = new ImagesApi(configuration);
  const lists = new ListsApi(configuration);
  const bytes = readFileSync(picture);

  const upload = { userId, imageData: bytes.toString("base64"), title: "first", tags: ["sea", "sun"] };
  const first = await images.uploadImage({ upload });
  const file = new File([bytes], basename(picture), { type: "image/png" });
  const second = await images.uploadImageForm({ file, userId, title: "second", tags: ["sea", "sky"] });

  const pages: ImagePage[] = [];
  let lastEvaluatedKey: string | undefined;
  do {
    const page: ImagePage = await lists.listImages({ userId, tag: ["sea"], limit: 1, lastEvaluatedKey });
    pages.push(page);
    lastEvaluatedKey = page.lastEvaluatedKey;
  } while (lastEvaluatedKey);

  const imageId = first.imageId;
  const viewed = await images.viewImageRaw({ imageId, userId });
  const ifMatch = viewed.raw.headers.get("ETag") ?? undefined;
  const updated = await images.updateImage({ imageId, ifMatch, imagePatch: { title: "changed" } });
  const stale = await status(images.updateImageRaw({ imageId, ifMatch, imagePatch: { title: "lost" } }));
  const deleted = [];
  for (const image of [first, second]) {
    deleted.push((await images.deleteImage({ imageId: image.imageId })).message);
  }
  const gone = await status(images.viewImageRaw({ imageId }));

  const told = {
    uploaded: [first, second].map((image) => [image.metadata.title, image.metadata.tags]),
    filename: second.metadata.filename,
    pages: pages.map((page) => page.images.map((image) => image.title)),
    viewed: (await viewed.value()).metadata.title,
    updated: [updated.metadata.title, updated.metadata.version],
    stale,
    deleted,
    gone,
  };
  console.log(JSON.stringify(told));
}

async function status(answer: Promise<{ raw: Response }>): Promise<number> {
  try {
    return (await answer).raw.status;
  } catch (error) {
    if (error instanceof ResponseError) return error.response.status;
    throw error;
  }
}

const [url, userId, picture] = process.argv.slice(2) as [string, string, string];
void main(url, userId, picture);
