/** Which gateway is driven: both come from whoever runs this. */

import OpenAI from "openai";

function fromEnvironment(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set; it names the gateway that is driven`);
  }
  return value;
}

export const model = fromEnvironment("EXPERTMESH_MODEL");

export const client = new OpenAI({
  baseURL: fromEnvironment("EXPERTMESH_BASE_URL"),
  apiKey: "none",
  maxRetries: 0,
  timeout: 30_000,
});

export const question = "Is the sea blue?";

export const whereSchema = {
  type: "object",
  properties: { at: { type: "string" } },
  required: ["at"],
  additionalProperties: false,
};
