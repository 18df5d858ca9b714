exports.archive = async (event) => {
  const records = event.Records || [event]
  return { archived: records.length }
}
exports.failing = async () => {
  throw new TypeError('this function always fails')
}
