import { guardPatience, guardStrikes } from '../guard-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('guard', 'a guard ends no guest without need', guardPatience)
describeStory('guard-alone', 'a host that is cut off loses its guests in time, and comes back', guardStrikes, {
  hosts: 1,
})
