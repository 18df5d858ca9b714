// The event is what the rule selects. What is returned is published on the topic `reply`.
export const handler = async (event) => ({ hello: event });
