import { guardStory } from '../guard-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('guard', 'a host that is cut off loses its guests in time, and no other does', guardStory)
