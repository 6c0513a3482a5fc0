import { z } from "zod";

/** What a structured answer is held to. */
export const Colour = z.object({ colour: z.string(), depth: z.number().int() });
