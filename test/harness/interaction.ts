/** A person in a test: answers what the test names, and fails on every other question. */
import type { Interaction } from "../../src/auth/interaction.ts"

export function personWho(answers: Partial<Interaction>): Interaction {
  const refuse = (what: string) => (): never => {
    throw new Error(`this person was not expected to be asked: ${what}`)
  }
  return {
    askSecret: refuse("askSecret"),
    askText: refuse("askText"),
    openLink: refuse("openLink"),
    tell: () => undefined,
    ...answers,
  }
}
