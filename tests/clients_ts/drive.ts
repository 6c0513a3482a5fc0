/** Drives a gateway through everything, one request after the other, and prints what came back as JSON. */

import * as agents from "./agents.js";
import * as chat from "./chat.js";
import * as responses from "./responses.js";

const seen = {
  chat: {
    whole: await chat.whole(),
    streamed: await chat.streamed(),
    tool: await chat.tool(),
    structured: await chat.structured(),
  },
  responses: {
    whole: await responses.whole(),
    streamed: await responses.streamed(),
    tool: await responses.tool(),
    structured: await responses.structured(),
    inBackground: await responses.inBackground(),
  },
  agents: { whole: await agents.whole(), streamed: await agents.streamed() },
};

console.log(JSON.stringify(seen));
