/** Responses: whole, as a stream, with a function, with a schema, in the background. */

import { zodTextFormat } from "openai/helpers/zod";
import type { ResponseStreamEvent, Tool } from "openai/resources/responses/responses";

import { client, model, question, whereSchema } from "./settings.js";
import { Colour } from "./colour.js";

const tools: Tool[] = [
  { type: "function", name: "look", description: "Looks.", parameters: whereSchema, strict: false },
];

export async function whole() {
  const response = await client.responses.create({ model, input: question });
  const thought = response.output.find((item) => item.type === "reasoning");
  return {
    status: response.status,
    text: response.output_text,
    reasoning: thought?.content?.map((part) => part.text).join(""),
  };
}

export async function streamed() {
  const stream = await client.responses.create({ model, input: question, stream: true });
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) {
    events.push(event);
  }
  const last = events.at(-1);
  return {
    types: [...new Set(events.map((event) => event.type))],
    numbers: events.every((event, index) => event.sequence_number === index),
    text: events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join(""),
    status: last?.type === "response.completed" ? last.response.status : last?.type,
  };
}

export async function tool() {
  const asked = await client.responses.create({ model, input: question, tools });
  const call = asked.output.find((item) => item.type === "function_call");
  if (!call) {
    throw new Error("no function is called");
  }
  const told = await client.responses.create({
    model,
    tools,
    previous_response_id: asked.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "blue" }],
  });
  return {
    name: call.name,
    arguments: JSON.parse(call.arguments) as unknown,
    text: told.output_text,
  };
}

export async function structured() {
  const response = await client.responses.parse({
    model,
    input: question,
    text: { format: zodTextFormat(Colour, "colour") },
  });
  return response.output_parsed;
}

export async function inBackground() {
  const begun = await client.responses.create({ model, input: question, background: true });
  const stream = await client.responses.retrieve(begun.id, { stream: true, starting_after: 1 });
  const numbers: number[] = [];
  for await (const event of stream) {
    numbers.push(event.sequence_number);
  }
  const done = await client.responses.retrieve(begun.id);
  await client.responses.delete(begun.id);
  const gone = await client.responses.retrieve(begun.id).then(
    () => "still there",
    (error: { status?: number }) => error.status,
  );
  return { begun: begun.status, first: numbers[0], done: done.status, text: done.output_text, gone };
}
