/** The Agents SDK: an agent with a function, whole and as a stream. */

import { Agent, OpenAIResponsesModel, Runner, tool } from "@openai/agents";
import { z } from "zod";

import { client, model, question } from "./settings.js";

/** Traces would go to OpenAI. */
const runner = new Runner({ tracingDisabled: true });

function looker(places: string[]) {
  const look = tool({
    name: "look",
    description: "Looks somewhere.",
    parameters: z.object({ at: z.string() }),
    execute: async ({ at }) => {
      places.push(at);
      return "blue";
    },
  });
  return new Agent({
    name: "looker",
    instructions: "Look before you answer.",
    model: new OpenAIResponsesModel(client, model),
    tools: [look],
  });
}

export async function whole() {
  const places: string[] = [];
  const result = await runner.run(looker(places), question);
  return { places, output: result.finalOutput };
}

export async function streamed() {
  const places: string[] = [];
  const result = await runner.run(looker(places), question, { stream: true });
  let text = "";
  for await (const event of result) {
    if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") {
      text += event.data.delta;
    }
  }
  await result.completed;
  return { places, output: result.finalOutput, text };
}
