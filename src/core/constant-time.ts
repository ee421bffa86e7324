/** Comparing what an attacker may have sent with a secret. */
import { timingSafeEqual } from "node:crypto"

/** Whether two texts are the same; how long it takes tells nothing of where they differ, but only whether their lengths do. */
export function areEqual(found: string, right: string): boolean {
  const [one, other] = [Buffer.from(found), Buffer.from(right)]
  return one.length === other.length && timingSafeEqual(one, other)
}
