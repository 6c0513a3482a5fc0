/** Chat completions: whole, as a stream, with a function, with a schema. */

import { zodResponseFormat } from "openai/helpers/zod";
import type { ChatCompletionMessageParam, ChatCompletionTool } from "openai/resources/chat/completions";

import { client, model, question, whereSchema } from "./settings.js";
import { Colour } from "./colour.js";

const tools: ChatCompletionTool[] = [
  { type: "function", function: { name: "look", description: "Looks.", parameters: whereSchema } },
];

export async function whole() {
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: "user", content: question }],
  });
  return {
    content: answer.choices[0]?.message.content,
    finish: answer.choices[0]?.finish_reason,
    hasUsage: (answer.usage?.total_tokens ?? 0) > 0,
  };
}

export async function streamed() {
  const stream = client.chat.completions.stream({
    model,
    messages: [{ role: "user", content: question }],
    stream_options: { include_usage: true },
  });
  const deltas: string[] = [];
  stream.on("content", (delta) => deltas.push(delta));
  const answer = await stream.finalChatCompletion();
  return {
    content: answer.choices[0]?.message.content,
    fromDeltas: deltas.join(""),
    hasUsage: (answer.usage?.total_tokens ?? 0) > 0,
  };
}

export async function tool() {
  const messages: ChatCompletionMessageParam[] = [{ role: "user", content: question }];
  const asked = await client.chat.completions.create({ model, messages, tools });
  const message = asked.choices[0]?.message;
  const call = message?.tool_calls?.[0];
  if (!message || call?.type !== "function") {
    throw new Error("no function is called");
  }
  messages.push(message, { role: "tool", tool_call_id: call.id, content: "blue" });
  const told = await client.chat.completions.create({ model, messages, tools });
  return {
    name: call.function.name,
    arguments: JSON.parse(call.function.arguments) as unknown,
    content: told.choices[0]?.message.content,
  };
}

export async function structured() {
  const answer = await client.chat.completions.parse({
    model,
    messages: [{ role: "user", content: question }],
    response_format: zodResponseFormat(Colour, "colour"),
  });
  return answer.choices[0]?.message.parsed;
}
