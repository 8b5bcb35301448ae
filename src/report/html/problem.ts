/** What is wrong with result files, for the one who asked for the report. Nothing has been written when it is thrown. */
export class ReportProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ReportProblem';
  }
}
